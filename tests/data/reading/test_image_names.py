"""Which files every reader takes for images, and which it passes over."""

from pathlib import Path

import pytest
from PIL import Image

from ferjax.data.decoding.readable_formats import readable_formats
from ferjax.data.reading.class_folders import class_folders, image_files, unpacked
from ferjax.data.reading.folder_walk import list_tree
from ferjax.data.reading.image_names import is_image
from ferjax.errors import UserError

# Name → Pillow's format: every kind of name that people give to images.
IMAGES = {
    "a.png": "PNG",
    "a.JPG": "JPEG",
    "a.jfif": "JPEG",
    "a.gif": "GIF",
    "a.webp": "WEBP",
    "a.tiff": "TIFF",
    "a.pbm": "PPM",
    "a.avif": "AVIF",
    "a.jp2": "JPEG2000",
    "b.tga": "TGA",
    "nosuffix": "PNG",
    "subject01.happy": "GIF",
    "S010.004.00017": "JPEG",
}
# Some builds of Pillow lack some formats.
IMAGES = {name: kind for name, kind in IMAGES.items() if kind in readable_formats()}
OTHERS = {
    "notes.txt": b"BMX and other words",
    "README": b"P6 is no header",
    "empty": b"",
    "scan.pdf": b"%PDF-1.4",
    "._a.png": b"\x00\x05\x16\x07",
    ".DS_Store": b"\x00\x00\x00\x01Bud1",
    "Thumbs.db": b"\xd0\xcf",
    "desktop.ini": b"[x]",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Returns class folders with every kind of file in one, and folders of the system's own."""
    root = tmp_path / "faces"
    (root / "happy").mkdir(parents=True)
    for name, kind in IMAGES.items():
        Image.new("L", (4, 4)).convert("1" if kind == "PPM" else "L").save(
            root / "happy" / name, kind
        )
    for name, content in OTHERS.items():
        (root / "happy" / name).write_bytes(content)
    for folder in ("sad", "__MACOSX/sad", ".ipynb_checkpoints", "sad/@eaDir"):
        (root / folder).mkdir(parents=True)
        Image.new("L", (4, 4)).save(root / folder / "a.png")
    return root


def test_images_are_told_by_suffix_or_content(tree: Path) -> None:
    assert all(is_image(tree / "happy" / name) for name in IMAGES)
    text = ("notes.txt", "README", "empty", "scan.pdf", ".DS_Store", "Thumbs.db", "desktop.ini")
    assert not any(is_image(tree / "happy" / name) for name in text)


def test_training_crops_and_audit_see_the_same_files(tree: Path) -> None:
    wanted = sorted([*(f"happy/{name}" for name in IMAGES), "sad/a.png"])
    listing = list_tree(tree)
    assert sorted(listing.names) == wanted
    assert listing.notes == ("4 files that are no images were passed over, first happy/README",)
    assert [path.relative_to(tree).as_posix() for path in image_files(tree)] == wanted
    for name in OTHERS:
        (tree / "happy" / name).unlink()
    found = class_folders(tree, {"happiness": "happiness", "sadness": "sadness"})
    assert [path.name for path in found["happiness"]] == sorted(IMAGES, key=str)


def test_links_are_followed_and_loops_end(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "sad").symlink_to(tree / "sad", target_is_directory=True)
    (tree / "sad" / "up").symlink_to(tmp_path / "links", target_is_directory=True)
    assert image_files(tmp_path / "links") == [tmp_path / "links" / "sad" / "a.png"]


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["archive/happy", "archive/sad"], "archive"),
        (["a/b/train/happy", "a/b/test/happy"], "a/b"),
        (["data/0", "data/1"], "data"),
        (["happy"], "."),  # one class
        (["train/happy"], "."),  # one split
        (["smiling/ann", "smiling/bob"], "."),  # one class with a folder for each person
        (["archive/cats", "archive/dogs"], "."),
        (["archive/happy", "other/sad"], "."),
    ],
)
def test_where_an_archive_was_unpacked(tmp_path: Path, folders: list[str], found: str) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    assert unpacked(tmp_path, splits=True) == tmp_path / found


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        image_files(tmp_path / "gone")
