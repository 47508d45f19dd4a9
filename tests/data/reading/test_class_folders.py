"""Class folders: order of images, files that are ignored, and every error."""

from pathlib import Path

import pytest

from ferjax.data.reading.class_folders import class_folders, describe_path, layout_error
from ferjax.errors import UserError

CLASSES = {"anger": "anger", "happiness": "happiness"}


def tree(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_natural_order_and_aliases(tmp_path: Path) -> None:
    tree(
        tmp_path, "Happy/im10.png", "Happy/im2.PNG", "Happy/im1.jpeg", "angry/b.jpg", "angry/a.bmp"
    )
    found = class_folders(tmp_path, CLASSES)
    assert list(found) == ["anger", "happiness"]
    assert [path.name for path in found["happiness"]] == ["im1.jpeg", "im2.PNG", "im10.png"]
    assert [path.name for path in found["anger"]] == ["a.bmp", "b.jpg"]


def test_any_folder_names_where_no_classes_are_given(tmp_path: Path) -> None:
    tree(tmp_path, "tired/a.png", "sad/a.png")
    assert sorted(class_folders(tmp_path)) == ["sadness", "tired"]


def test_numbered_folders(tmp_path: Path) -> None:
    found = class_folders(tree(tmp_path, "1/a.png", "2/b.png"), {"1": "surprise", "2": "fear"})
    assert {name: paths[0].name for name, paths in found.items()} == {
        "surprise": "a.png",
        "fear": "b.png",
    }


def test_system_files_and_lists_are_ignored(tmp_path: Path) -> None:
    tree(tmp_path, "anger/a.png", "anger/.DS_Store", "anger/._a.png", "anger/Thumbs.db")
    tree(tmp_path, "happy/a.png", "happy/desktop.ini", ".git/x", "__MACOSX/x", "labels.csv")
    found = class_folders(tmp_path, CLASSES)
    assert {name: len(paths) for name, paths in found.items()} == {"anger": 1, "happiness": 1}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["anger/a.png", "hapiness/a.png"], "'hapiness'. Did you mean 'happiness'"),
        (["anger/a.png", "7/a.png"], "Images of your own go in with --dataset=folder"),
        (["anger/a.png"], "no folder for happiness"),
        (["anger/a.png", "happy/Thumbs.db"], "no images in this class folder"),
        (["anger/a.png", "happy/a.png", "happiness/a.png"], "both mean 'happiness'"),
        (["anger/a.png", "happy/a.png", "happy/notes.txt"], "a .txt file among the images"),
        (["anger/a.png", "happy/a.png", "happy/more/b.png"], "a folder among the images"),
        (["anger/a.png", "happy/a.png", "b.png"], "an image beside the class folders"),
        (["labels.csv"], "no folder for anger, happiness; it holds labels.csv"),
    ],
)
def test_errors_name_what_is_wrong(tmp_path: Path, files: list[str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        class_folders(tree(tmp_path, *files), CLASSES)
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_no_class_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder for any class; it is empty"):
        class_folders(tmp_path)


def test_contents_are_described(tmp_path: Path) -> None:
    assert describe_path(tmp_path / "x") == "does not exist"
    assert describe_path(tmp_path) == "is empty"
    tree(tmp_path, "a/b", "c10", "c9", ".hidden")
    assert describe_path(tmp_path) == "holds a/, c9, c10"
    assert describe_path(tmp_path, most=1) == "holds a/ and 2 more"
    (tmp_path / "c9").write_bytes(bytes(2000))
    assert describe_path(tmp_path / "c9") == "is a file of 2,000 bytes"


def test_layout_error_has_all_four_parts(tmp_path: Path) -> None:
    text = str(layout_error("FERX", tmp_path, ["x.csv", "train/"], "example.org"))
    for part in (f"--data_dir={tmp_path}", "is empty", "x.csv; train/", "from example.org"):
        assert part in text


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\)"):
        class_folders(tmp_path)
