"""RAF-DB in the official and the Kaggle layouts, generated as JPEG files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.data.datasets.rafdb.label_csv import read_labels_csv
from ferjax.data.datasets.rafdb.load_rafdb import load
from ferjax.data.splits.split import DatasetBundle
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


def check(data_dir: Path, crops: str = "aligned faces as released") -> DatasetBundle:
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
    assert bundle.crops == crops
    cut = "stratified 0.1 of train (split seed 0)"
    assert bundle.sources["val"] in (cut, "val")
    assert sum("published" in note for note in bundle.notes) == 2
    return bundle


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
    assert "no test split on disk" in bundle.notes


def test_listed_test_without_a_file_is_no_test(tmp_path: Path) -> None:
    official(tmp_path / "x", TRAIN + TEST)
    for path in (tmp_path / "x" / "Image" / "aligned").glob("test_*"):
        path.unlink()
    assert list(load(tmp_path / "x").splits) == ["train", "val"]


@pytest.mark.parametrize("listing", ["list_patition_label.txt", "test.txt"])
def test_the_test_images_alone_are_evaluated(tmp_path: Path, listing: str) -> None:
    root = official(tmp_path / "x", TEST if listing == "test.txt" else TRAIN + TEST)
    (root / "EmoLabel" / "list_patition_label.txt").rename(root / "EmoLabel" / listing)
    for path in (root / "Image" / "aligned").glob("train_*"):
        path.unlink()
    bundle = load(root, val_fraction=0)
    assert {name: len(split) for name, split in bundle.splits.items()} == {"test": 7}
    with pytest.raises(UserError, match=r"no training images \(train\), found test"):
        load(root)


def test_absent_files_are_counted_and_named(tmp_path: Path) -> None:
    root = official(tmp_path / "x", TRAIN + TEST)
    for name in ("train_00003", "train_00009", "test_0002"):
        (root / "Image" / "aligned" / f"{name}_aligned.jpg").unlink()
    with pytest.raises(UserError, match=r"3 of the 35 .* absent, first train_00003_aligned\.jpg"):
        load(root)


def test_images_that_were_not_unpacked(tmp_path: Path) -> None:
    root = official(tmp_path / "x", TRAIN + TEST)
    (root / "Image" / "aligned").rename(root / "elsewhere")
    with pytest.raises(UserError, match=r"35 of the 35 .* aligned does not exist.*aligned\.zip"):
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


def test_aligned_is_read_before_the_others(tmp_path: Path) -> None:
    root = official(tmp_path, TRAIN + TEST)
    save(root / "Image" / "original" / "train_00000.jpg", 5)
    (root / "Image" / "aligned_224").mkdir()
    assert "Image/aligned)" in check(tmp_path).layout


@pytest.mark.parametrize("suffix", ["", "_aligned"])
@pytest.mark.parametrize(
    ("folder", "crops"),
    [
        ("aligned_224", "faces re-aligned to 224x224 (APViT's)"),
        ("original", "original pictures as released, faces not cut out"),
    ],
)
def test_other_image_folders(tmp_path: Path, folder: str, crops: str, suffix: str) -> None:
    root = official(tmp_path, TRAIN + TEST)
    (root / "Image" / "aligned").rename(root / "Image" / folder)
    for path in (root / "Image" / folder).iterdir():
        path.rename(path.with_name(path.name.replace("_aligned", suffix)))
    bundle = check(tmp_path, crops)
    assert f"Image/{folder}" in bundle.layout


@pytest.mark.parametrize("suffix", ["", "_aligned"])
def test_a_list_for_each_split(tmp_path: Path, suffix: str) -> None:
    root = official(tmp_path / "basic", TRAIN + TEST)
    (root / "EmoLabel" / "list_patition_label.txt").unlink()
    for own, entries in (("train", TRAIN), ("test", TEST)):
        lines = [
            f"{name.replace('.jpg', f'{suffix}.jpg')} {label} 0 1\n" for name, label in entries
        ]
        (root / "EmoLabel" / f"{own}.txt").write_text("".join(lines))
    assert check(tmp_path).layout.startswith("APViT's lists (EmoLabel/train.txt and")


def write_labels(path: Path, entries: list[tuple[str, int]], header: str = "image,label") -> None:
    names = [(name.replace(".jpg", "_aligned.jpg"), label) for name, label in entries]
    rows = [f"{name},{label}" for name, label in names]
    path.write_bytes("\r\n".join([*([header] * bool(header)), *rows, ""]).encode("utf-8-sig"))


@pytest.mark.parametrize("place", ["DATASET", "."])
def test_kaggle_csv_files_are_compared(tmp_path: Path, place: str) -> None:
    kaggle(tmp_path / "DATASET", TRAIN + TEST)
    write_labels(tmp_path / place / "train_labels.csv", TRAIN)
    write_labels(tmp_path / place / "test_labels.csv", TEST)
    check(tmp_path)
    write_labels(tmp_path / place / "test_labels.csv", [(name, 8 - k) for name, k in TEST])
    with pytest.raises(UserError, match=r"test_0000_aligned\.jpg is neutral.*folder of surprise"):
        load(tmp_path)


def flat(root: Path, place: Path, header: str, split: str, entries: list[tuple[str, int]]) -> None:
    for name, label in entries:
        save(root / split / name.replace(".jpg", "_aligned.jpg"), label)
    write_labels(place / f"{split}_labels.csv", entries, header)


@pytest.mark.parametrize("place", ["x", "."])
@pytest.mark.parametrize("header", ["image,label", ""])
def test_flat_folders_and_csv_files(tmp_path: Path, place: str, header: str) -> None:
    flat(tmp_path / "x", tmp_path / place, header, "train", TRAIN)
    flat(tmp_path / "x", tmp_path / place, header, "test", TEST)
    assert check(tmp_path / "x").layout.startswith("flat folders and csv files of labels in train/")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train_00000_aligned.jpg,3", "row 29 (line 30): train_00000_aligned.jpg is listed twice"),
        (
            "train_99_aligned.jpg,9",
            "row 29 (line 30): 'train_99_aligned.jpg, 9', expected an image",
        ),
        ("train_99_aligned.jpg", "row 29 (line 30): 'train_99_aligned.jpg', expected an image"),
        (",3", "expected an image name"),
        ("train_99_aligned.jpg,0", "label 7, but other rows have 0"),
        ("train_99_aligned.jpg,3", "1 of its 29 images are not in"),
    ],
)
def test_bad_csv_rows_are_named(tmp_path: Path, line: str, words: str) -> None:
    flat(tmp_path, tmp_path, "image,label", "train", TRAIN)
    with open(tmp_path / "train_labels.csv", "ab") as file:
        file.write(line.encode() + b"\r\n")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    assert words in str(caught.value)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 900), st.integers(0, 60), st.binary(max_size=20))
def test_spoilt_csv_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, inserted: bytes
) -> None:
    path = tmp_path_factory.mktemp("spoilt") / "train_labels.csv"
    write_labels(path, TRAIN)
    text = path.read_bytes()
    path.write_bytes(text[:start] + inserted + text[start + length :])
    try:
        rows = read_labels_csv(path)
    except UserError as error:
        refused = str(error)
    else:
        refused = str(path)
        assert set(rows.values()) <= {*CLASSES, *"0123456"}
    assert str(path) in refused


def test_flat_folders_without_csv_and_unlisted_images(tmp_path: Path) -> None:
    flat(tmp_path, tmp_path, "image,label", "train", TRAIN)
    save(tmp_path / "train" / "train_77777_aligned.jpg", 1)
    with pytest.raises(UserError, match=r"1 images there are not listed, first train_77777"):
        load(tmp_path)
    (tmp_path / "train_labels.csv").unlink()
    with pytest.raises(UserError, match=r"no class folders, and no train_labels\.csv"):
        load(tmp_path)


def by_split(root: Path, splits: dict[str, list[tuple[str, int]]], names: bool = False) -> Path:
    for split, entries in splits.items():
        for name, label in entries:
            folder = NUMBERED[label - 1].title() if names else f"{label}"
            save(root / split / folder / name.replace(".jpg", "_aligned.jpg"), label)
    return root


def test_a_validation_folder_of_test_images_is_test(tmp_path: Path) -> None:
    by_split(tmp_path, {"train": TRAIN, "valid": TEST})
    bundle = check(tmp_path)
    assert bundle.notes[0] == "valid/ holds the test images: it is test, val is cut from train"
    assert bundle.splits["test"].ids[0].startswith("valid/")


def test_a_validation_folder_that_repeats_test_is_not_used(tmp_path: Path) -> None:
    by_split(tmp_path, {"train": TRAIN, "valid": TEST, "test": TEST})
    assert check(tmp_path).notes[0] == "valid/ holds test images as test/ does: it is not used"


def test_a_validation_folder_cut_from_train_is_val(tmp_path: Path) -> None:
    splits = {"train": TRAIN[7:], "val": TRAIN[:7], "test": TEST}
    bundle = check(by_split(tmp_path, splits, names=True))
    assert bundle.sources["val"] == "val"
    assert bundle.splits["val"].ids[0].startswith("val/")


@pytest.mark.parametrize(
    "splits", [{"train": TRAIN + TEST}, {"train": TRAIN[7:], "val": TRAIN[:7] + TEST}]
)
def test_images_in_another_splits_folder_are_refused(
    tmp_path: Path, splits: dict[str, list[tuple[str, int]]]
) -> None:
    by_split(tmp_path, splits)
    with pytest.raises(UserError, match=r"test_0000_aligned\.jpg: an image of RAF-DB's test split"):
        load(tmp_path)


SCHEMES = {
    "the official labels less 1": NUMBERED,
    "EfficientFace's": (
        "neutral",
        "happiness",
        "sadness",
        "surprise",
        "fear",
        "disgust",
        "anger",
    ),
    "DACL's": ("neutral", "happiness", "sadness", "anger", "fear", "surprise", "disgust"),
    "a numbering of its own": tuple(reversed(NUMBERED)),
}
# Published counts cut to a few images: class k has k + 1 in train, 7 - k in test.
SMALL = {
    "train": {name: 1 + k for k, name in enumerate(CLASSES)},
    "test": {name: 7 - k for k, name in enumerate(CLASSES)},
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("cut", [False, True])
def test_numbers_from_zero_are_identified_by_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, width: int, cut: bool
) -> None:
    monkeypatch.setitem(PUBLISHED, "rafdb", SMALL)
    for number, name in enumerate(SCHEMES[scheme]):
        for split, counts in SMALL.items():
            for i in range(counts[name]):
                own = "val" if cut and split == "train" and i % 3 == 0 else split
                folder = tmp_path / own / f"{number:0{width}d}"
                save(folder / f"{split}_{number}_{i}.jpg", NUMBERED.index(name) + 1)
    if cut:  # a class without images in val would be an empty folder
        assert {path.parent.name for path in (tmp_path / "val").glob("*/*")} == {
            f"{number:0{width}d}" for number in range(7)
        }
        (folder := tmp_path / "train" / f"{SCHEMES[scheme].index('anger'):0{width}d}").mkdir()
        save(folder / "train_9_9.jpg", NUMBERED.index("anger") + 1)
        monkeypatch.setitem(SMALL["train"], "anger", 2)
    bundle = load(tmp_path)
    assert f"{scheme} numbering, told by the counts" in bundle.layout
    for split in bundle.splits.values():
        red = split.read(np.arange(len(split)))[:, 50, 50, 0]
        shown = [NUMBERED[round(int(value) / 30) - 1] for value in red]
        assert [CLASSES[label] for label in split.labels] == shown


def test_numbers_from_zero_that_the_counts_do_not_identify(tmp_path: Path) -> None:
    root = kaggle(tmp_path / "x", [(name, label - 1) for name, label in TRAIN])
    with pytest.raises(UserError) as caught:
        load(root)
    for words in (str(root), "EfficientFace's: 0 neutral", "DACL's: ", "labels less 1: 0 surprise"):
        assert words in str(caught.value)


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
    with pytest.raises(UserError, match=r"no does not exist\. .*whdeng\.cn"):
        load(tmp_path / "no")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    for part in ("is empty", "list_patition_label.txt", "whdeng.cn", "shuvoalok/raf-db-dataset"):
        assert part in str(caught.value)
    assert str(caught.value).endswith("Images of your own go in with --dataset=folder.")


def test_a_last_line_of_spaces_in_a_label_csv_is_blank(tmp_path: Path) -> None:
    path = tmp_path / "train_labels.csv"
    path.write_text("image,label\ntrain_00001.jpg,5\n   \n")
    assert read_labels_csv(path) == {"train_00001.jpg": "sadness"}
