"""Cutting a file back to its last whole line."""

from pathlib import Path

import pytest

from ferjax.runtime.append_lines import drop_torn_line


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"", b""),
        (b"one\n", b"one\n"),
        (b"one\ntw", b"one\n"),
        (b"on", b""),
        (b"one\n\0\0\0\0", b"one\n"),  # what a crash of the machine can leave
        (b"one\n" + 200_000 * b"x", b"one\n"),
        (70_000 * b"x" + b"\n" + 70_000 * b"y", 70_000 * b"x" + b"\n"),
    ],
)
def test_the_last_line_without_an_end_is_dropped(
    content: bytes, kept: bytes, tmp_path: Path
) -> None:
    (tmp_path / "log").write_bytes(content)
    drop_torn_line(tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == kept


def test_a_missing_file_stays_missing(tmp_path: Path) -> None:
    drop_torn_line(tmp_path / "log")
    assert not list(tmp_path.iterdir())
