"""The folder of a result: filled in one step, whatever stops the command; never overwritten."""

import os
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.runtime.new_folder import check_new_folder, filled_when_complete

FILES = {"a.png": "picture", "b.png": "other", "report.md": "page", "report.json": "{}"}


class Killed(BaseException):
    """Stands for SIGKILL: nothing that comes after it is done."""


def fill(folder: Path) -> None:
    with filled_when_complete(check_new_folder(folder)) as staging:
        for name, text in FILES.items():
            (staging / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_folder_is_filled_and_not_filled_again(tmp_path: Path) -> None:
    fill(tmp_path / "out")
    assert contents(tmp_path / "out") == FILES
    with pytest.raises(UserError, match=r"out is not empty, it holds .*Name a new folder"):
        fill(tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


def test_of_two_commands_the_slower_overwrites_nothing(tmp_path: Path) -> None:
    """Both have checked the folder; then one is done before the other begins to write."""
    out = check_new_folder(tmp_path / "out")
    fill(out)
    with pytest.raises(UserError, match=r"holds .*, which came while"), filled_when_complete(out):
        pass
    assert contents(out) == FILES


def test_a_folder_that_another_command_fills_is_refused_at_the_start(tmp_path: Path) -> None:
    out = check_new_folder(tmp_path / "out")
    other = out / f".unfinished.{os.getppid()}-0123abcd.tmp"  # of a process that is alive
    other.mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds \.unfinished"), filled_when_complete(out):
        pytest.fail("the work began")
    assert list(out.iterdir()) == [other]


def test_a_file_that_came_in_the_meantime_stays(tmp_path: Path) -> None:
    def fill_while_a_file_comes() -> None:
        with filled_when_complete(tmp_path / "out") as staging:
            (staging / "report.md").write_text("page")
            (tmp_path / "out" / "report.md").write_text("mine")

    with pytest.raises(UserError, match=r"holds report\.md"):
        fill_while_a_file_comes()
    assert contents(tmp_path / "out") == {"report.md": "mine"}


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with filled_when_complete(tmp_path / "out") as staging:
            (staging / "a.png").write_text("picture")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("moved", range(len(FILES) + 1))
def test_a_kill_at_any_move_loses_nothing(
    tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, moves = os.replace, 0

    def replace(source: Path, target: Path) -> None:
        nonlocal moves
        if moves == moved:
            raise Killed
        moves += 1
        real(source, target)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        if moved < len(FILES):
            with pytest.raises(Killed):
                fill(out)
        else:
            fill(out)
    assert len(contents_of_files(out)) == moved
    # What was complete is put in place, and counts as any result.
    with pytest.raises(UserError, match="is not empty"):
        fill(out)
    assert contents(out) == FILES


def contents_of_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def test_a_kill_before_it_was_complete_leaves_a_folder_that_is_new(tmp_path: Path) -> None:
    left = tmp_path / "out" / f".unfinished.{2**22 + 1}-0123abcd.tmp"
    left.mkdir(parents=True)
    (left / "a.png").write_text("half")
    fill(tmp_path / "out")
    assert contents(tmp_path / "out") == FILES
