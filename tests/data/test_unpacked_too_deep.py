"""An archive that was unpacked one or more levels too deep is read, for every data set."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.rafdb.official_lists import NUMBERED
from ferjax.data.registry import load_dataset
from ferjax.errors import UserError

SEVEN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
PIXELS = " ".join(["7"] * 2304)


def still(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (48, 48), value).save(path)


def folder(root: Path) -> None:
    for name in ("happy", "sad"):
        for i in range(4):
            still(root / name / f"{i}.png", i)


def folder_of_splits(root: Path) -> None:
    for split in ("train", "test"):
        for name in ("happy", "sad"):
            for i in range(4):
                still(root / split / split / name / f"{i}.png", i)


def fer2013_csv(root: Path) -> None:
    root.mkdir(parents=True)
    rows = [f"{i % 7},{PIXELS},{('Training', 'PublicTest')[i % 2]}" for i in range(28)]
    (root / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows, ""]))


def fer2013_folders(root: Path) -> None:
    for split in ("train", "test"):
        for name in SEVEN:
            for i in range(2):
                still(root / split / split / name / f"{i}.jpg", i)


def ferplus(root: Path) -> None:
    for part in ("FER2013Train", "FER2013Valid"):
        still(root / part / "fer0000000.png", 1)
        still(root / part / "fer0000001.png", 2)
        rows = [
            [f"fer000000{i}.png", "(0, 0, 48, 48)", *[0] * i, 10, *[0] * (9 - i)] for i in range(2)
        ]
        with open(root / part / "label.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)


def rafdb_lists(root: Path) -> None:
    lines = []
    for label in range(1, len(NUMBERED) + 1):
        for i in range(2):
            name = f"train_{2 * label + i:05d}"
            still(root / "Image" / "aligned" / "aligned" / f"{name}_aligned.jpg", label)
            lines.append(f"{name}.jpg {label}\n")
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel" / "list_patition_label.txt").write_text("".join(lines))


def rafdb_folders(root: Path) -> None:
    for label in range(1, len(NUMBERED) + 1):
        for i in range(2):
            still(root / "train" / "train" / str(label) / f"train_{label}{i}_aligned.jpg", i)


def ck48(root: Path) -> None:
    for k, name in enumerate(
        ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    ):
        for frame in range(3):
            still(root / name / f"S{k:03d}_001_{frame:08d}.png", k)


def ck_sequences(root: Path) -> None:
    for k in range(7):
        for frame in range(3):
            name = f"S{k:03d}_001_{frame:08d}.png"
            images = root / "cohn-kanade-images" / "cohn-kanade-images"
            still(images / f"S{k:03d}" / "001" / name, k)
        labels = root / "Emotion" / "Emotion" / f"S{k:03d}" / "001"
        labels.mkdir(parents=True)
        (labels / f"S{k:03d}_001_00000002_emotion.txt").write_text(f"   {k + 1}.0000000e+00\n")


def sfew(root: Path) -> None:
    for split in ("Train", "Val"):
        for name in SEVEN:
            for i in range(2):
                still(root / split / split / name / f"{i}.png", i)


Write = Callable[[Path], None]
LAYOUTS: dict[str, list[Write]] = {
    "folder": [folder, folder_of_splits],
    "fer2013": [fer2013_csv, fer2013_folders],
    "ferplus": [ferplus],
    "rafdb": [rafdb_lists, rafdb_folders],
    "ckplus": [ck48, ck_sequences],
    "sfew": [sfew],
}


@pytest.mark.parametrize("inside", ["archive", "a/b", "archive (1)"])
@pytest.mark.parametrize(
    ("dataset", "write"), [(name, write) for name, all_ in LAYOUTS.items() for write in all_]
)
def test_the_folder_inside_is_read(
    tmp_path: Path, dataset: str, write: Callable[[Path], None], inside: str
) -> None:
    write(tmp_path / "data" / inside)
    (tmp_path / "data" / "__MACOSX").mkdir()
    (tmp_path / "data" / "ReadMe.txt").write_text("downloaded today")
    folds = 3 if dataset == "ckplus" else None
    given = load_dataset(dataset, tmp_path / "data", folds=folds)
    itself = load_dataset(dataset, tmp_path / "data" / inside, folds=folds)
    for name, split in itself.splits.items():
        assert list(split.ids) == list(given.splits[name].ids)
        np.testing.assert_array_equal(split.labels, given.splits[name].labels)
    assert any(note.startswith("read from ") and inside in note for note in given.notes)
    assert not any(note.startswith("read from ") for note in itself.notes)


def test_exclude_txt_may_lie_in_either_folder(tmp_path: Path) -> None:
    folder(tmp_path / "archive")
    (tmp_path / "exclude.txt").write_text("archive/happy/0.png\nhappy/1.png\n")
    (tmp_path / "archive" / "exclude.txt").write_text("sad/0.png\n")
    bundle = load_dataset("folder", tmp_path)
    assert sum(map(len, bundle.splits.values())) == 5


@pytest.mark.parametrize("place", [".", "archive", "archive/DATASET"])
def test_exclude_txt_may_lie_in_a_folder_that_the_reader_finds(tmp_path: Path, place: str) -> None:
    rafdb_folders(tmp_path / "archive" / "DATASET")
    names = load_dataset("rafdb", tmp_path, val_fraction=0).splits["train"].ids
    # Relative to the folder that is read, to the given folder, and to a folder in between.
    lines = [names[0], f"archive/DATASET/{names[1]}", f"DATASET/{names[2]}"]
    (tmp_path / place / "exclude.txt").write_text("\n".join(lines))
    (tmp_path / "archive" / "DATASET" / "exclude.txt").touch()
    bundle = load_dataset("rafdb", tmp_path, val_fraction=0)
    assert "3 images left out by exclude.txt" in bundle.notes
    assert list(bundle.splits["train"].ids) == list(names[3:])


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_nothing_inside_blames_the_folder_that_was_given(tmp_path: Path, dataset: str) -> None:
    (tmp_path / "data" / "archive" / "stuff").mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        load_dataset(dataset, tmp_path / "data")
    assert str(tmp_path / "data") in str(caught.value)


@pytest.mark.parametrize("way", ["data_dir", "variable"])
def test_a_tilde_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder(tmp_path / "sets" / "folder")
    if way == "variable":
        monkeypatch.setenv("FERJAX_DATA", "~/sets")
    data_dir = "~/sets/folder" if way == "data_dir" else None
    assert load_dataset("folder", data_dir).classes == ("happiness", "sadness")
