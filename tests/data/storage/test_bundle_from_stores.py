"""Stores of decoded images: an image that is overwritten is never read from an old store."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.config import registered_names
from ferjax.data.registry import load_dataset, register_dataset
from ferjax.data.splits.from_arrays import bundle_from_arrays
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.storage.image_store import tree_signature


def grey(path: Path, value: int) -> None:
    """Writes an 8x8 image; every value gives a file of the same size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), value).save(path, "BMP")


def greys(bundle: DatasetBundle) -> set[int]:
    return {
        int(value)
        for split in bundle.splits.values()
        for value in split.read(np.arange(len(split)))[:, 0, 0, 0]
    }


def class_folders(root: Path, value: int) -> None:
    for emotion in ("anger", "fear"):
        for number in range(6):
            grey(root / emotion / f"{number}.bmp", value)


def plain(root: Path, pictures: Path) -> Path:
    class_folders(root / "data", 10)
    return root / "data"


def linked_classes(root: Path, pictures: Path) -> Path:
    (root / "data").mkdir(parents=True)
    for emotion in ("anger", "fear"):
        (root / "data" / emotion).symlink_to(pictures / emotion)
    return root / "data"


def linked_images(root: Path, pictures: Path) -> Path:
    for emotion in ("anger", "fear"):
        (root / "data" / emotion).mkdir(parents=True)
        for file in (pictures / emotion).iterdir():
            (root / "data" / emotion / file.name).symlink_to(file)
    return root / "data"


def a_linked_root(root: Path, pictures: Path) -> Path:
    root.mkdir()
    (root / "data").symlink_to(pictures)
    return root / "data"


def a_list_elsewhere(root: Path, pictures: Path) -> Path:
    root.mkdir(exist_ok=True)
    rows = [f"{file},{file.parent.name}" for file in sorted(pictures.rglob("*.bmp"))]
    (root / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    return root / "list.csv"


@pytest.mark.parametrize(
    "layout", [plain, linked_classes, linked_images, a_linked_root, a_list_elsewhere]
)
def test_an_overwritten_image_is_read_anew(
    layout: Callable[[Path, Path], Path], tmp_path: Path
) -> None:
    pictures, cache = tmp_path / "pictures", tmp_path / "cache"
    class_folders(pictures, 10)
    data = layout(tmp_path / "here", pictures)
    assert greys(load_dataset("folder", data, cache_dir=cache)) == {10}
    folders = {path.name for path in cache.iterdir()}
    assert greys(load_dataset("folder", data, cache_dir=cache)) == {10}
    assert {path.name for path in cache.iterdir()} == folders

    target = data if layout is plain else pictures
    class_folders(target, 200)
    assert greys(load_dataset("folder", data, cache_dir=cache)) == {200}
    # One image of one class, of the same size as before.
    grey(target / "fear" / "3.bmp", 77)
    assert greys(load_dataset("folder", data, cache_dir=cache)) == {77, 200}


def test_a_list_beside_which_other_files_change_keeps_its_store(tmp_path: Path) -> None:
    class_folders(tmp_path / "pictures", 10)
    data, cache = a_list_elsewhere(tmp_path / "here", tmp_path / "pictures"), tmp_path / "cache"
    load_dataset("folder", data, cache_dir=cache)
    folders = sorted(path.name for path in cache.iterdir())
    (data.parent / "readme.txt").write_text("new")
    load_dataset("folder", data, cache_dir=cache)
    assert sorted(path.name for path in cache.iterdir()) == folders


def test_a_link_that_turns_to_another_folder(tmp_path: Path) -> None:
    for name, value in (("a", 10), ("b", 20)):
        class_folders(tmp_path / name, value)
    link, cache = tmp_path / "data", tmp_path / "cache"
    link.symlink_to(tmp_path / "a")
    assert greys(load_dataset("folder", link, cache_dir=cache)) == {10}
    link.unlink()
    link.symlink_to(tmp_path / "b")
    assert greys(load_dataset("folder", link, cache_dir=cache)) == {20}


def test_rows_of_a_csv(tmp_path: Path) -> None:
    def write(value: int) -> Path:
        pixels = " ".join([str(value)] * 48 * 48)
        rows = [f"{k % 7},{pixels},{usage}" for usage in ("Training", "PublicTest", "PrivateTest")
                for k in range(7)]  # fmt: skip
        path = tmp_path / "fer2013.csv"
        path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
        os.utime(path, ns=(0, 0))
        return path

    cache = tmp_path / "cache"
    # Neither size nor time of the csv file tells these two apart.
    assert greys(load_dataset("fer2013", write(100), cache_dir=cache)) == {100}
    assert greys(load_dataset("fer2013", write(101), cache_dir=cache)) == {101}


def test_a_reader_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are told apart by their pixels; a split that tells no files, by the whole folder."""
    monkeypatch.setattr(registered_names, "_REGISTERED", {"dataset": {}})
    value = 5

    def arrays(path: Path, **_: object) -> DatasetBundle:
        images, labels = np.full((8, 4, 4, 1), value, np.uint8), np.arange(8) % 2
        return bundle_from_arrays(("anger", "fear"), (images, labels))

    def files(path: Path, **_: object) -> DatasetBundle:
        def read(rows: np.ndarray) -> np.ndarray:
            image = np.asarray(Image.open(path / "in" / "x.bmp"))[..., None]
            return np.stack([image for _ in rows])

        split = Split("train", np.zeros(2, np.int32), ("a", "b"), (8, 8, 1), read)
        splits = {"train": split, "val": split}
        return DatasetBundle(splits, ("anger", "fear"), "own", dict.fromkeys(splits, "own"))

    register_dataset("own_arrays", arrays)
    register_dataset("own_files", files)
    cache = tmp_path / "cache"
    assert greys(load_dataset("own_arrays", tmp_path, cache_dir=cache)) == {5}
    value = 6
    assert greys(load_dataset("own_arrays", tmp_path, cache_dir=cache)) == {6}

    grey(tmp_path / "elsewhere" / "x.bmp", 30)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "in").symlink_to(tmp_path / "elsewhere")
    assert greys(load_dataset("own_files", tmp_path / "data", cache_dir=cache)) == {30}
    grey(tmp_path / "elsewhere" / "x.bmp", 31)
    assert greys(load_dataset("own_files", tmp_path / "data", cache_dir=cache)) == {31}


def test_a_link_to_a_folder_above_does_not_go_round(tmp_path: Path) -> None:
    grey(tmp_path / "a" / "x.bmp", 3)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert tree_signature(tmp_path) == tree_signature(tmp_path)
