"""A journal gives back what was added to it, and says where it is damaged."""

from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.live.follow_faces import from_json as followed_from_json
from ferjax.live.video_table import from_json as frame_row_from_json
from ferjax.predict.journal import converted_entry, journal_path, journal_rows, open_journal
from ferjax.predict.rows import READ, Row, from_json, to_json

COMMAND = {"annotate": None, "inputs": "one"}
ROWS = [Row("a.png", READ, (0.25, 0.75), box=(1, 2, 3, 4)), Row("ü\n.png", "no face")]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The place of a table whose journal has two chunks of one row."""
    out = tmp_path / "p.csv"
    with open_journal(out, COMMAND) as journal:
        for row in ROWS:
            journal.add(to_json([row]), {"frame": row.file})
    return out


def test_rows_and_state_come_back(out: Path) -> None:
    assert list(journal_rows(out, from_json)) == ROWS
    with open_journal(out, COMMAND) as journal:
        assert (journal.chunks, journal.state) == (2, {"frame": "ü\n.png"})


@pytest.mark.parametrize("damage", [b"[1, 2]", b'{"other": 1}', b"7", b"null", b"\xff{", b"{"])
def test_a_damaged_row_is_shown(out: Path, damage: bytes) -> None:
    path = journal_path(out)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], damage, *lines[2:], b""]))
    for row_of_line in (from_json, frame_row_from_json):
        with pytest.raises(UserError, match=r"p\.csv\.partial is damaged: .*Remove the file"):
            list(journal_rows(out, row_of_line))


@pytest.mark.parametrize("damage", [b'{"chunk": 2}', b'{"chunk": 2, "st', b'{"chunk": \xff}'])
def test_a_damaged_end_of_a_chunk_is_shown(out: Path, damage: bytes) -> None:
    path = journal_path(out)
    path.write_bytes(b"\n".join([*path.read_bytes().splitlines()[:-1], damage, b""]))
    with pytest.raises(UserError, match=r"is damaged"), open_journal(out, COMMAND):
        pass


@pytest.mark.parametrize("state", ["text", {"frame": 1}, {"tracks": 3}, {"tracks": [3]}])
def test_a_damaged_state_of_a_video_is_shown(out: Path, state: object) -> None:
    with pytest.raises(UserError, match=r"is damaged"):
        converted_entry(journal_path(out), followed_from_json, state)
