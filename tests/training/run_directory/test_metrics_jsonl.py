"""metrics.jsonl: appended, read back, cut back, and torn lines left out."""

import resource
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.training.run_directory.metrics_jsonl import (
    METRICS_FILE,
    append_lines,
    cut_back,
    read_lines,
)

LINES = [{"step": step, "split": split} for step in (10, 20, 30) for split in ("train", "val")]


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    assert read_lines(tmp_path) == []
    for i, line in enumerate(LINES, start=1):
        append_lines(tmp_path, [line])
        assert read_lines(tmp_path) == LINES[:i]
    assert (tmp_path / METRICS_FILE).read_text().count("\n") == len(LINES)


def test_a_line_torn_by_a_kill_is_left_out(tmp_path: Path) -> None:
    for line in LINES:
        append_lines(tmp_path, [line])
    path = tmp_path / METRICS_FILE
    path.write_text(path.read_text()[:-5])
    assert read_lines(tmp_path) == LINES[:-1]
    # A resume cuts the torn line off, so that the next one starts a line of its own.
    cut_back(tmp_path, 30)
    append_lines(tmp_path, [{"step": 40}])
    assert read_lines(tmp_path) == [*LINES[:-1], {"step": 40}]


def test_no_line_is_glued_to_a_torn_one(tmp_path: Path) -> None:
    """A loop of one's own appends without having cut back."""
    append_lines(tmp_path, LINES[:2])
    path = tmp_path / METRICS_FILE
    path.write_text(path.read_text()[:-5])
    append_lines(tmp_path, LINES[2:])
    assert read_lines(tmp_path) == [LINES[0], *LINES[2:]]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    append_lines(tmp_path, LINES)
    path = tmp_path / METRICS_FILE
    path.write_text(path.read_text().replace('"step": 20', '"st', 1))
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 3: not valid JSON.*Delete"):
        read_lines(tmp_path)


def test_cut_back_keeps_lines_up_to_the_step(tmp_path: Path) -> None:
    cut_back(tmp_path, 0)
    assert read_lines(tmp_path) == []
    for line in LINES:
        append_lines(tmp_path, [line])
    cut_back(tmp_path, 20)
    assert read_lines(tmp_path) == LINES[:4]
    cut_back(tmp_path, 0)
    assert read_lines(tmp_path) == []
    assert [p.name for p in tmp_path.iterdir()] == [METRICS_FILE]


def test_lines_that_do_not_fit_leave_no_part_of_one(tmp_path: Path) -> None:
    append_lines(tmp_path, LINES[:2])
    size = (tmp_path / METRICS_FILE).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system writes what fits of the third line, and refuses the rest.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
    try:
        with pytest.raises(OSError, match=r"No space left|File too large"):
            append_lines(tmp_path, LINES[2:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / METRICS_FILE).stat().st_size == size
    append_lines(tmp_path, LINES[2:])
    assert read_lines(tmp_path) == LINES
