"""RAF-DB in the official and the Kaggle tree, made here with real JPEG files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.rafdb import load
from ferjax.errors import UserError

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
# Label 1 to 7 of the release.
NUMBERED = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
TRAIN = [(f"train_{k:05d}.jpg", k % 7 + 1) for k in range(28)]
TEST = [(f"test_{k:04d}.jpg", k % 7 + 1) for k in range(7)]


def save(path: Path, label: int, side: int = 100) -> None:
    """Writes a plain JPEG whose red value is 30 times the label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (30 * label, 90, 90)).save(path, quality=95)


def official(root: Path, entries: list[tuple[str, int]], extra: str = "") -> Path:
    (root / "EmoLabel").mkdir(parents=True)
    lines = [f"{name} {label}{extra}\n" for name, label in entries]
    (root / "EmoLabel" / "list_patition_label.txt").write_text("".join(lines))
    for name, label in entries:
        save(root / "Image" / "aligned" / name.replace(".jpg", "_aligned.jpg"), label)
    return root


def kaggle(root: Path, entries: list[tuple[str, int]]) -> Path:
    for name, label in entries:
        split = name.split("_")[0]
        save(root / split / str(label) / name.replace(".jpg", "_aligned.jpg"), label)
    return root


def check(data_dir: Path) -> None:
    bundle = load(data_dir)
    assert bundle.classes == CLASSES
    assert {role: len(split) for role, split in bundle.splits.items()} == {
        "train": 21,
        "val": 7,
        "test": 7,
    }
    for split in bundle.splits.values():
        assert split.shape == (100, 100, 3)
        red = split.read(np.arange(len(split)))[:, 50, 50, 0]
        shown = [NUMBERED[round(int(value) / 30) - 1] for value in red]
        assert [CLASSES[label] for label in split.labels] == shown
    assert bundle.crops == "aligned faces as released"
    assert bundle.sources["val"].startswith("stratified 0.1 of train (split seed 0)")
    assert sum("published" in note for note in bundle.notes) == len(bundle.notes) == 2


@pytest.mark.parametrize("root", [".", "basic", "raf-basic", "RAF-DB/basic", "RAF-DB"])
def test_official_tree(tmp_path: Path, root: str) -> None:
    official(tmp_path / root, TRAIN + TEST)
    check(tmp_path)


def test_lists_with_more_columns(tmp_path: Path) -> None:
    check(official(tmp_path / "x", TRAIN + TEST, extra=" 0.9"))


@pytest.mark.parametrize("root", [".", "DATASET"])
def test_kaggle_tree(tmp_path: Path, root: str) -> None:
    kaggle(tmp_path / root, TRAIN + TEST)
    (tmp_path / root / "train_labels.csv").write_text("image,label\n")
    check(tmp_path)


@pytest.mark.parametrize("layout", [official, kaggle])
def test_without_test_files_there_is_a_note(tmp_path: Path, layout) -> None:
    bundle = load(layout(tmp_path / "x", TRAIN))
    assert list(bundle.splits) == ["train", "val"]
    assert "no test split: test is not on disk" in bundle.notes


def test_listed_test_without_a_file_is_no_test(tmp_path: Path) -> None:
    official(tmp_path / "x", TRAIN + TEST)
    for path in (tmp_path / "x" / "Image" / "aligned").glob("test_*"):
        path.unlink()
    assert list(load(tmp_path / "x").splits) == ["train", "val"]


def test_absent_files_are_counted_and_named(tmp_path: Path) -> None:
    root = official(tmp_path / "x", TRAIN + TEST)
    for name in ("train_00003", "train_00009", "test_0002"):
        (root / "Image" / "aligned" / f"{name}_aligned.jpg").unlink()
    with pytest.raises(UserError, match=r"3 of the 35 .* absent, first train_00003_aligned\.jpg"):
        load(root)


def test_images_that_were_not_unpacked(tmp_path: Path) -> None:
    root = official(tmp_path / "x", TRAIN + TEST)
    (root / "Image" / "aligned").rename(root / "elsewhere")
    with pytest.raises(UserError, match=r"28 of the 28 .* aligned does not exist.*aligned\.zip"):
        load(root)


@pytest.mark.parametrize(
    "line", ["train_1.jpg 0", "train_1.jpg 8", "train_1.jpg", "valid_1.jpg 3", "train_00000.jpg 5"]
)
def test_bad_lines_are_named(tmp_path: Path, line: str) -> None:
    root = official(tmp_path / "x", TRAIN)
    with open(root / "EmoLabel" / "list_patition_label.txt", "a") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(UserError, match=r"list_patition_label\.txt:30: "):
        load(root)


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no images are listed"):
        load(official(tmp_path / "x", []))


def test_kaggle_folders_numbered_from_zero_are_refused(tmp_path: Path) -> None:
    root = kaggle(tmp_path / "x", [(name, label - 1) for name, label in TRAIN])
    with pytest.raises(UserError, match=r"unknown class folder in .*train: '0'"):
        load(root)


def test_differing_sizes_are_stored_as_one(tmp_path: Path) -> None:
    root = kaggle(tmp_path / "x", TRAIN + TEST)
    save(root / "test" / "1" / "test_0000_aligned.jpg", 1, side=80)
    shapes = {split.shape for split in load(root, storage_size=64).splits.values()}
    assert shapes == {(64, 64, 3)}


def test_val_follows_fraction_and_split_seed(tmp_path: Path) -> None:
    root = kaggle(tmp_path / "x", TRAIN)
    half = load(root, val_fraction=0.5, split_seed=1).splits["val"]
    assert np.bincount(half.labels).tolist() == [2] * 7
    assert half.ids == load(root, val_fraction=0.5, split_seed=1).splits["val"].ids
    assert half.ids != load(root, val_fraction=0.5, split_seed=2).splits["val"].ids


def test_missing_and_wrong_folders_are_explained(tmp_path: Path) -> None:
    for given, found in ((tmp_path / "no", "does not exist"), (tmp_path, "is empty")):
        with pytest.raises(UserError) as caught:
            load(given)
        for part in (found, "list_patition_label.txt", "whdeng.cn", "shuvoalok/raf-db-dataset"):
            assert part in str(caught.value)
