"""Files are put into a folder completely or not at all, and never over others."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.export.put_in_place import committed, finish_cut_move, made_folder, put_in_place


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Returns a folder with a folder, two files and a script."""
    folder = tmp_path / "written"
    (folder / "a-browser").mkdir(parents=True)
    (folder / "a-browser" / "index.html").write_text("page")
    for name in ("a.json", "a.onnx", "use_onnx.py"):
        (folder / name).write_text(name)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("links", [True, False])
def test_everything_is_moved(written: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("this disk has no links")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    expected = contents(written)
    with made_folder(written.parent / "x" / "out") as folder:
        (folder / "use_onnx.py").write_text("use_onnx.py")
        put_in_place(written, folder, ["use_onnx.py"])
    assert contents(folder) == expected


@pytest.mark.parametrize("taken", ["a-browser", "a.json", "a.onnx", "use_onnx.py"])
@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_undoes_all(
    written: Path, taken: str, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where two commands write the same names: what the first one has written stays whole."""

    def refuse(*_: object) -> None:
        raise PermissionError("this disk has no links")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    folder = written.parent / "out"
    folder.mkdir()
    if taken == "a-browser":
        (folder / taken).mkdir()
    else:
        (folder / taken).write_text("of another command")
    before = contents(folder)
    with pytest.raises(UserError, match=rf"{taken} was written by another command"):
        put_in_place(written, folder, ["use_onnx.py"])
    assert contents(folder) == before
    assert [path.name for path in folder.iterdir()] == [taken]


def test_a_folder_that_stays_empty_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("a/b/c", "mine"):
        with made_folder(tmp_path / name) as folder:
            assert folder.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    with made_folder(tmp_path / "out") as folder:
        assert folder == tmp_path.resolve() / "disk"
    assert (tmp_path / "out").is_symlink()


def link(path: Path, target: Path) -> None:
    os.link(path, target)


def begin(path: Path, target: Path) -> None:
    """As on a disk without links, killed before the file is there."""
    target.mkdir() if path.is_dir() else target.touch()


def move(path: Path, target: Path) -> None:
    os.replace(path, target)


@pytest.mark.parametrize("cut", [None, link, begin, move])
@pytest.mark.parametrize("name", ["a-browser", "a.json", "use_onnx.py"])
def test_what_a_kill_cut_short_is_finished(
    written: Path, name: str, cut: Callable[[Path, Path], None] | None
) -> None:
    if cut is link and name == "a-browser":
        cut = begin
    expected, folder = contents(written), written.parent / "out"
    folder.mkdir()
    complete = committed(written, folder, "a")
    if cut:
        cut(complete / name, folder / name)
    assert finish_cut_move(folder, "a")
    assert contents(folder) == expected
    assert not finish_cut_move(folder, "a")


def test_what_others_have_written_is_not_replaced(written: Path) -> None:
    folder = written.parent / "out"
    (folder / "a-browser").mkdir(parents=True)
    (folder / "a-browser" / "index.html").write_text("of another command")
    (folder / "a.json").write_text("of another command")
    expected = contents(written) | contents(folder)
    committed(written, folder, "a")
    assert finish_cut_move(folder, "a")
    assert contents(folder) == expected
