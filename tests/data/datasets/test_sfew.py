"""SFEW 2.0, raw and aligned, and 1.0, generated in all folders that they may be unpacked to."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.data.datasets.sfew import load
from ferjax.errors import UserError

FOLDERS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
CANONICAL = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def fill(root: Path, each: int, start: int = 0, size: tuple[int, int] = (14, 18)) -> Path:
    """Writes `each` stills of every class; a still's grey is 10 times its class plus `start`."""
    for k, name in enumerate(FOLDERS):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            Image.new("L", size, 10 * k + start).save(root / name / f"Film_{i:04d}_{k}.png")
    return root


def check(data_dir: Path, start: int = 0) -> None:
    bundle = load(data_dir, val_fraction=0.25)
    assert bundle.classes == CLASSES
    sizes = {role: len(split) for role, split in bundle.splits.items()}
    assert sizes == {"train": 21, "val": 7, "test": 14}
    assert bundle.sources["test"] == "Val"
    assert bundle.sources["train"] == "Train without the validation cut"
    for role, split in bundle.splits.items():
        assert split.shape == (18, 14, 1)
        shown = split.read(np.arange(len(split)))[:, 0, 0, 0] - start - (role == "test")
        assert [CANONICAL[v // 10] for v in shown] == [CLASSES[label] for label in split.labels]
        assert all(("Val" in name) == (role == "test") for name in split.ids)


@pytest.mark.parametrize("root", [".", "SFEW_2"])
@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("Train", "Val"),
        ("Train/Train_Aligned_Faces", "Val/Val_Aligned_Faces_new"),
        ("Train/Train_Aligned_Faces", "Val/Val_Aligned_Faces"),
        ("Train_Aligned_Faces", "Val_Aligned_Faces_new"),
        ("Train_Aligned_Faces/Train_Aligned_Faces", "Val_Aligned_Faces_new/Val_Aligned_Faces_new"),
    ],
)
def test_release_2(tmp_path: Path, root: str, train: str, val: str) -> None:
    fill(tmp_path / root / train, 4)
    fill(tmp_path / root / val, 2, start=1)
    check(tmp_path)
    assert ("aligned" in load(tmp_path).layout) == ("Aligned" in train)


def test_aligned_faces_come_before_raw_stills(tmp_path: Path) -> None:
    fill(tmp_path / "Train", 3, start=5, size=(40, 30))
    fill(tmp_path / "Val", 3, start=5, size=(40, 30))
    fill(tmp_path / "Train_Aligned_Faces", 4)
    fill(tmp_path / "Val_Aligned_Faces_new", 2, start=1)
    check(tmp_path)


def test_kinds_are_not_mixed(tmp_path: Path) -> None:
    fill(tmp_path / "Train" / "Train_Aligned_Faces", 4)
    fill(tmp_path / "Val", 2)
    with pytest.raises(UserError, match=r"Val of the same kind .* is not there"):
        load(tmp_path)


def test_the_unlabelled_test_is_noted(tmp_path: Path) -> None:
    fill(tmp_path / "Train", 4)
    fill(tmp_path / "Val", 2, start=1)
    (tmp_path / "Test" / "Test_Aligned_Faces").mkdir(parents=True)
    Image.new("L", (14, 18)).save(tmp_path / "Test" / "Test_Aligned_Faces" / "1.png")
    check(tmp_path)
    assert any("Test were not read" in note for note in load(tmp_path).notes)


def test_without_val_there_is_no_test(tmp_path: Path) -> None:
    fill(tmp_path / "Train", 4)
    bundle = load(tmp_path)
    assert list(bundle.splits) == ["train", "val"]
    assert "no test split on disk (Val)" in bundle.notes


@pytest.mark.parametrize("root", [".", "SFEW"])
def test_release_1_is_cut_80_20(tmp_path: Path, root: str) -> None:
    fill(tmp_path / root, 10)
    first, again, other = load(tmp_path), load(tmp_path), load(tmp_path, split_seed=1)
    assert {role: len(split) for role, split in first.splits.items()} == {
        "train": 49,
        "val": 7,
        "test": 14,
    }
    assert np.bincount(first.splits["test"].labels).tolist() == [2] * 7
    assert first.splits["test"].ids == again.splits["test"].ids
    assert first.splits["test"].ids != other.splits["test"].ids
    ids = [name for split in first.splits.values() for name in split.ids]
    assert len(set(ids)) == 70
    assert first.sources["test"] == "stratified 0.2 of all (split seed 0)"
    for split in first.splits.values():
        shown = split.read(np.arange(len(split)))[:, 0, 0, 0]
        assert [CANONICAL[v // 10] for v in shown] == [CLASSES[label] for label in split.labels]


def test_stills_of_many_sizes_are_stored_in_one(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    Image.new("RGB", (50, 30)).save(tmp_path / "Sad" / "wide.png")
    assert load(tmp_path, storage_size=24).splits["train"].shape == (24, 24, 3)


def test_a_missing_class_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "Train", 2)
    for path in (tmp_path / "Train" / "Fear").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="Fear: no images"):
        load(tmp_path)
    (tmp_path / "Train" / "Fear").rmdir()
    with pytest.raises(UserError, match="no folder for fear"):
        load(tmp_path)


def test_another_folder_is_no_sfew(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no SFEW found, it is empty"):
        load(tmp_path)


def test_counts_are_compared_with_the_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = dict(zip(CANONICAL, (178, 52, 78, 184, 144, 161, 94), strict=True))
    val = dict(zip(CANONICAL, (77, 23, 46, 72, 84, 73, 56), strict=True))
    monkeypatch.setitem(PUBLISHED, "sfew", {"Train": train, "Val": val})
    monkeypatch.setitem(
        PUBLISHED, "sfew1", {"all": dict.fromkeys(CANONICAL, 100) | {"disgust": 75}}
    )
    fill(tmp_path / "two" / "Train", 2)
    fill(tmp_path / "two" / "Val", 1)
    notes = " ".join(load(tmp_path / "two").notes)
    assert "Train: 14 images, 891 published" in notes
    assert "Val: 7 images, 431 published" in notes
    notes = " ".join(load(fill(tmp_path / "one", 3)).notes)
    assert "all: 21 images, 675 published" in notes
