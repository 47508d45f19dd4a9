"""The cuts of the study: what differs from the honest splits, and what does not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.data.splits.protocols.splits_to_study import honest_splits
from ferjax.data.splits.split import DatasetBundle, Split, shared_subjects
from ferjax.errors import UserError

SIZES = {"train": 200, "val": 30, "test": 40}


@pytest.fixture
def on_disk(make_split: Callable[..., Split]) -> Callable[..., DatasetBundle]:
    """Returns a function (split names, people in each split) → bundle; images are numbered."""

    def make(*names: str, people: bool = False) -> DatasetBundle:
        splits, start = {}, 0
        for name, count in SIZES.items():
            if name in names:
                pixels = np.arange(start, start + count, dtype=np.uint32).view(np.uint8)
                split = make_split(pixels.reshape(count, 1, 4, 1), np.arange(count) % 4, name)
                subjects = np.array([f"{name}{k // 4}" for k in range(count)])
                ids = tuple(f"{name}/{k}" for k in range(count))
                splits[name] = replace(split, ids=ids, subjects=subjects if people else None)
            start += count
        sources = {name: f"its {name}" for name in names}
        classes = ("anger", "disgust", "fear", "happiness")
        return DatasetBundle(splits, classes, "made", sources, ("kept", "of cut"),
                             cut_notes=("of cut",))  # fmt: skip

    return make


Make = Callable[..., DatasetBundle]


def cut(name: str, bundle: DatasetBundle, seed: int = 0) -> DatasetBundle:
    return PROTOCOLS[name].arrange(bundle, seed, 0.1)


def test_three_splits_on_disk_stay(on_disk: Make) -> None:
    bundle = on_disk("train", "val", "test")
    assert honest_splits(bundle, 0, 0.1).sources == bundle.sources
    assert honest_splits(bundle, 0, 0.1).notes == ("kept", "of cut")


def test_val_is_test_where_no_test_is(on_disk: Make) -> None:
    bundle = on_disk("train", "val")
    found = cut("publictest_is_test", bundle)
    assert found.splits["test"].ids == bundle.splits["val"].ids
    assert {n: len(s) for n, s in found.splits.items()} == {"train": 180, "val": 20, "test": 30}
    assert found.sources["test"] == "its val"
    assert "no test split on disk: its val is test, and val is cut from train" in found.notes
    with pytest.raises(UserError, match="its test is on disk and is the test split"):
        cut("publictest_is_test", on_disk("train", "val", "test"))
    with pytest.raises(UserError, match="needs a val split on disk; found train"):
        cut("select_on_test", on_disk("train"))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("train", "val"), ("train", "test")])
def test_selecting_on_test_trains_on_the_same_images(on_disk: Make, names: tuple[str, ...]) -> None:
    honest, found = honest_splits(on_disk(*names), 0, 0.1), cut("select_on_test", on_disk(*names))
    assert found.splits["train"].ids == honest.splits["train"].ids
    assert found.splits["val"].ids == found.splits["test"].ids == honest.splits["test"].ids
    assert any("are in no split" in note for note in found.notes)


def test_swapped_exchanges_val_and_test(on_disk: Make) -> None:
    bundle = on_disk("train", "val", "test")
    found = cut("swapped", bundle)
    assert found.splits["val"].ids == bundle.splits["test"].ids
    assert found.splits["test"].ids == bundle.splits["val"].ids
    assert found.sources == {"train": "its train", "val": "its test", "test": "its val"}


def test_merged_mixes_all_splits_in_their_sizes(on_disk: Make) -> None:
    bundle = on_disk("train", "val", "test")
    found = cut("merged", bundle)
    assert {name: len(split) for name, split in found.splits.items()} == SIZES
    origins = {name.partition("/")[0] for name in found.splits["test"].ids}
    assert origins == {"train", "val", "test"}
    assert found.notes == ("kept",)
    every = np.concatenate([split.read(np.arange(len(split))) for split in found.splits.values()])
    assert sorted(every.reshape(-1, 4).copy().view(np.uint32).ravel()) == [*range(270)]


def test_shared_subjects_puts_people_on_both_sides(on_disk: Make) -> None:
    bundle = on_disk("train", "val", "test", people=True)
    assert shared_subjects(bundle.splits["train"], bundle.splits["test"]) == 0
    found = cut("shared_subjects", bundle)
    assert {name: len(split) for name, split in found.splits.items()} == SIZES
    assert shared_subjects(found.splits["train"], found.splits["test"]) > 20
    with pytest.raises(UserError, match="made does not name people"):
        cut("shared_subjects", on_disk("train", "val", "test"))


def test_val_is_cut_by_person_where_people_are_known(on_disk: Make) -> None:
    found = honest_splits(on_disk("train", "test", people=True), 0, 0.1)
    assert len(found.splits["val"]) == 20
    assert shared_subjects(found.splits["train"], found.splits["val"]) == 0


def test_no_val_is_cut_from_soft_labels(on_disk: Make) -> None:
    bundle = on_disk("train", "test")
    soft = replace(bundle.splits["train"], targets=np.full((200, 4), 0.25, np.float32))
    with pytest.raises(UserError, match="Give --labels=majority"):
        honest_splits(replace(bundle, splits={**bundle.splits, "train": soft}), 0, 0.1)
