"""Splits replaced by folds: every image is in test once, and no subject is in two splits."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ferjax.data.registry import load_dataset
from ferjax.data.splits.refold_splits import refold
from ferjax.data.splits.split import DatasetBundle, Split, join_splits, subset
from ferjax.errors import UserError

Make = Callable[..., Split]


def images(count: int, start: int) -> np.ndarray:
    """Returns images whose every pixel is their number."""
    numbers = np.arange(start, start + count, dtype=np.uint8)
    return np.tile(numbers[:, None, None, None], (1, 4, 4, 1))


@pytest.fixture
def bundle(make_split: Make) -> DatasetBundle:
    rng = np.random.default_rng(0)
    sizes = {"train": 40, "val": 13, "test": 9}
    splits, start = {}, 0
    for name, count in sizes.items():
        splits[name] = make_split(images(count, start), rng.integers(0, 3, count), name)
        start += count
    return DatasetBundle(splits, ("anger", "fear", "neutral"), "made", dict.fromkeys(sizes, "its"))


def read_numbers(split: Split) -> list[int]:
    return split.read(np.arange(len(split)))[:, 0, 0, 0].tolist()


def test_joined_splits_read_what_each_reads(bundle: DatasetBundle) -> None:
    pool = join_splits([bundle.splits["val"], bundle.splits["train"]], "pool")
    order = np.random.default_rng(1).permutation(len(pool))
    expected = np.array([*range(40, 53), *range(40)])
    assert read_numbers(subset(pool, order)) == expected[order].tolist()
    labels = [*bundle.splits["val"].labels, *bundle.splits["train"].labels]
    np.testing.assert_array_equal(pool.labels, labels)


def test_subjects_of_only_one_split_are_dropped(bundle: DatasetBundle) -> None:
    train, val = bundle.splits["train"], bundle.splits["val"]
    named = replace(train, subjects=np.array(["a"] * 40), targets=np.eye(3, dtype=np.float32)[:0])
    assert join_splits([named, val], "pool").subjects is None
    both = join_splits([named, replace(val, subjects=np.array(["b"] * 13))], "pool")
    assert both.subjects is not None
    assert both.subjects.tolist() == ["a"] * 40 + ["b"] * 13


def test_every_image_of_train_and_val_tests_once(bundle: DatasetBundle) -> None:
    cut = [refold(bundle, k, 5, seed=0) for k in range(1, 6)]
    assert sorted(n for fold in cut for n in read_numbers(fold.splits["test"])) == list(range(53))
    for k, fold in enumerate(cut):
        parts = [read_numbers(fold.splits[name]) for name in ("train", "val", "test")]
        assert sorted(n for part in parts for n in part) == list(range(53))
        assert set(parts[1]) < set(read_numbers(cut[(k + 1) % 5].splits["test"]))
        assert "own test split (its) is not used" in fold.notes[-1]
        assert fold.sources["test"].startswith(f"its: fold {k + 1} of 5, ")


def test_no_subject_is_in_two_splits(bundle: DatasetBundle) -> None:
    people = np.array([f"S{k // 4:03}" for k in range(53)])
    splits = {
        "train": replace(bundle.splits["train"], subjects=people[:40]),
        "val": replace(bundle.splits["val"], subjects=people[40:]),
    }
    found = refold(replace(bundle, splits=splits), 2, 4, seed=0)
    sides = [set(split.subjects) for split in found.splits.values() if split.subjects is not None]
    assert len(sides) == 3
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert "by person" in found.sources["train"]


def test_images_of_two_sizes_are_no_pool(bundle: DatasetBundle, make_split: Make) -> None:
    other = make_split(np.zeros((3, 5, 4, 1), np.uint8), name="val")
    with pytest.raises(UserError, match="different image sizes"):
        join_splits([bundle.splits["train"], other], "pool")


def test_folds_of_any_data_set_and_options_of_each_alone() -> None:
    found = load_dataset("synthetic", image_size=32, folds=6, fold=6, num_classes=8)
    assert {name: len(split) for name, split in found.splits.items()} == {
        "train": 4400,
        "val": 600,
        "test": 1000,
    }
    assert len(found.classes) == 8
    with pytest.raises(UserError, match=r"--labels=majority: synthetic"):
        load_dataset("synthetic", labels="majority")
