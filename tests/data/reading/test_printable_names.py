"""Names of files in errors and reports become one line of valid Unicode."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.errors import UserError, printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("happy/a b, c.png", "happy/a b, c.png"),
        ("two\nlines\t.png", r"two\nlines\t.png"),
        (b"\xff\xfe.png".decode("utf-8", "surrogateescape"), r"\xff\xfe.png"),
        ("\ud83d.png", r"\ud83d.png"),
        ("a\u2028b", r"a\u2028b"),
        ("é😀\u00a0.png", "é😀\u00a0.png"),
    ],
)
def test_printable(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.binary(max_size=30))
def test_any_name_of_a_file_becomes_one_line_of_unicode(raw: bytes) -> None:
    shown = printable(raw.decode("utf-8", "surrogateescape"))
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) == "Cc" for c in shown)


def test_errors_can_be_printed_and_keep_their_lines() -> None:
    assert str(UserError("a\udcff.png: broken\n  twice")) == "a\\xff.png: broken\n  twice"
