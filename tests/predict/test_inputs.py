"""What the words of a command name: every file below a folder, members, rows, lists and globs."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.errors import UserError
from ferjax.predict import archives
from ferjax.predict.archives import member_names, open_archive
from ferjax.predict.inputs import HIDDEN, NO_IMAGE, Input, list_inputs, part_of_inputs


def picture(size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(size * size, dtype=np.uint8).reshape(size, size)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    (root / "more" / ".cache").mkdir(parents=True)
    for name in ("im10.png", "im2.png", "more/a.jpg", "._im2.png", "more/.cache/b.png", "noname"):
        (root / name).write_bytes(picture())
    (root / "notes.txt").write_text("no image")
    (root / "more" / "above").symlink_to(root)
    return root


def names(inputs: list[Input], root: Path) -> list[tuple[str, str | None]]:
    return [(os.path.relpath(each.name, root), each.status) for each in inputs]


def test_every_file_of_a_folder_has_an_input(folder: Path) -> None:
    assert names(list_inputs([str(folder)]), folder) == [
        ("._im2.png", HIDDEN),
        ("im2.png", None),
        ("im10.png", None),
        ("more/.cache", HIDDEN),
        ("more/a.jpg", None),
        ("noname", None),
        ("notes.txt", NO_IMAGE),
    ]


def test_words_keep_their_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = ["im10.png", "more/a.jpg", "im2.png", "im*.png", "more/*.jpg"]
    found = [each.name for each in list_inputs(words)]
    assert found == [*words[:3], "im10.png", "im2.png", "more/a.jpg"]
    # A file may be named like a pattern.
    (folder / "odd[1].png").write_bytes(picture())
    assert [each.name for each in list_inputs(["odd[1].png"])] == ["odd[1].png"]


def test_parts_of_the_inputs() -> None:
    inputs = [Input(name, Path(name)) for name in "abcdefg"]
    parts = [part_of_inputs(inputs, f"{k}/3") for k in (1, 2, 3)]
    assert [[each.name for each in part] for part in parts] == [[*"ab"], [*"cd"], [*"efg"]]
    assert part_of_inputs(inputs, "1/1") == inputs
    assert sum(len(part_of_inputs(inputs, f"{k}/9")) for k in range(1, 10)) == 7
    for wrong in ("0/3", "4/3", "1", "1/", "/2", "a/b", "-1/2", "1/0"):
        with pytest.raises(UserError, match=f"--part={wrong}: expected K/N, such as 1/4"):
            part_of_inputs(inputs, wrong)


def test_a_list_of_paths(folder: Path) -> None:
    lines = [f"{folder / 'im2.png'}\n", "\n", f"{folder / 'gone.png'}\r\n"]
    inputs = list_inputs(["-"], lines)
    assert names(inputs, folder) == [("im2.png", None), ("gone.png", None)]


def test_what_a_list_or_a_pattern_names_need_not_be_readable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "crops.csv").write_text("file,crop\na,b\n")
    (folder / "broken.png").symlink_to("nowhere.png")
    found = [(each.name, each.status) for each in list_inputs(["*r*.*"])]
    assert found == [("broken.png", None), ("crops.csv", "unreadable")]
    lines = ["crops.csv", "~$x.png", "n" * 300]
    assert [each.status for each in list_inputs(["-", "im2.png"], lines)] == [
        *("unreadable", None, None, None),
    ]


def make_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("empty")
        for name, data in members.items():
            archive.writestr(name, data)


def make_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)


@pytest.mark.parametrize(
    ("name", "make"), [("faces.zip", make_zip), ("faces.tar.gz", make_tar), ("F.TGZ", make_tar)]
)
def test_members_of_archives(
    tmp_path: Path, name: str, make: Callable[[Path, dict[str, bytes]], None]
) -> None:
    path = tmp_path / name
    members = {"a/1.png": picture(), "a/notes.txt": b"x", "__MACOSX/._1.png": b"", "../2.jpg": b"y"}
    make(path, members)
    inputs = list_inputs([str(path)])
    assert [(each.name, each.member, each.status) for each in inputs] == [
        (f"{path}/a/1.png", "a/1.png", None),
        (f"{path}/a/notes.txt", "a/notes.txt", NO_IMAGE),
        (f"{path}/__MACOSX/._1.png", "__MACOSX/._1.png", HIDDEN),
        (f"{path}/../2.jpg", "../2.jpg", None),
    ]
    with open_archive(path) as read:
        # In any order; nothing is written to disk.
        for each in reversed(inputs):
            assert read(str(each.member)) == members[str(each.member)]
        with pytest.raises(UserError, match=r"3\.png: cannot be read"):
            read("3.png")
    assert os.listdir(tmp_path) == [name]


def test_a_member_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MOST_BYTES", 100)
    make_zip(tmp_path / "a.zip", {"large.png": bytes(101), "small.png": bytes(100)})
    with open_archive(tmp_path / "a.zip") as read:
        assert len(read("small.png")) == 100
        with pytest.raises(UserError, match=r"large\.png: 101 bytes; images have at most 100"):
            read("large.png")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.xz"])
def test_a_damaged_archive_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(UserError, match=rf"{name}: the archive cannot be read"):
        member_names(tmp_path / name)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("gone.png", r"gone\.png: no such file or folder"),
        ("https://example.org/a.png", "a web address; only files are read: download the image"),
        ("*.gif", r"\*\.gif: the pattern matches no file"),
        ("empty", r"empty: no files there"),
        ("notes", r"notes: no images among 1 files, notes/a\.txt first"),
        ("list.csv", "expected pixels"),
        ("header.csv", "a header and no rows"),
    ],
)
def test_words_that_name_nothing(
    tmp_path: Path, word: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("no image")
    (tmp_path / "list.csv").write_text("path,label\na.png,sad\n")
    (tmp_path / "header.csv").write_text("emotion,pixels\n")
    with pytest.raises(UserError, match=words):
        list_inputs([word])
