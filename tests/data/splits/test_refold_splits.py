"""Splits replaced by folds: every image is in test once, and no subject is in two splits."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def test_votes_of_only_one_split_are_dropped(bundle: DatasetBundle) -> None:
    train, val = bundle.splits["train"], bundle.splits["val"]
    votes = np.arange(530).reshape(53, 10)
    voted = replace(train, votes=votes[:40])
    assert join_splits([voted, val], "pool").votes is None
    both = join_splits([voted, replace(val, votes=votes[40:])], "pool").votes
    np.testing.assert_array_equal(both, votes)
    part = subset(voted, np.array([5, 2])).votes
    np.testing.assert_array_equal(part, votes[[5, 2]])


def test_labels_become_targets_beside_soft_ones(bundle: DatasetBundle) -> None:
    votes = np.random.default_rng(2).dirichlet(np.ones(3), 40).astype(np.float32)
    train = replace(bundle.splits["train"], targets=votes)
    joined = refold(replace(bundle, splits={**bundle.splits, "train": train}), 1, 3, seed=0)
    expected = np.concatenate([votes, np.eye(3, dtype=np.float32)[bundle.splits["val"].labels]])
    for split in joined.splits.values():
        np.testing.assert_array_equal(split.targets, expected[read_numbers(split)])


def test_notes_on_the_replaced_splits_are_dropped(tmp_path: Path) -> None:
    lines = ["path,label,subject,split"]
    for k in range(24):
        Image.new("L", (8, 8), 10 * k).save(tmp_path / f"{k}.png")
        lines.append(f"{k}.png,{('happy', 'sad')[k % 2]},p{k % 8 // 2},{('train', 'val')[k > 15]}")
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    found = [load_dataset("folder", tmp_path / "list.csv", folds=folds) for folds in (None, 4)]
    untrue = "no test split|people are in train and in val"
    kept, folded = ([bool(re.search(untrue, n)) for n in bundle.notes] for bundle in found)
    assert sum(kept) == 2
    assert not any(folded)
    for folds in (None, 4):
        notes = " ".join(load_dataset("folder", _faces(tmp_path / "faces"), folds=folds).notes)
        assert ("no validation split on disk" in notes) == (folds is None)


def _faces(root: Path) -> Path:
    for k in range(16):
        (root / ("happy", "sad")[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 10 * k).save(root / ("happy", "sad")[k % 2] / f"{k}.png")
    return root


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
