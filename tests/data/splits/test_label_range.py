"""Labels outside the class list are refused wherever data enter, and named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ferjax.data import dataset_table
from ferjax.data.registry import load_dataset
from ferjax.data.splits.from_arrays import bundle_from_arrays, split_from_arrays
from ferjax.data.splits.label_range import check_labels
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.errors import UserError

CLASSES = ("anger", "happiness", "sadness")
IMAGES = np.zeros((4, 8, 8, 1), np.uint8)
OUTSIDE = [([0, 1, -1, 2], "between -1 and 2"), ([0, 1, 2, 3], "between 0 and 3")]


@pytest.fixture
def own_data(monkeypatch: pytest.MonkeyPatch, make_split: Callable[..., Split]) -> Any:
    """Returns a function (labels) → name of a data set whose reader checks nothing."""

    def add(labels: list[int]) -> str:
        splits = {
            "train": make_split(IMAGES, np.array([0, 1, 2, 0]), "train"),
            "val": make_split(IMAGES, np.array(labels), "val"),
        }
        bundle = DatasetBundle(splits, CLASSES, "drawn", dict.fromkeys(splits, "drawn"))
        entry = replace(dataset_table.DATASETS["synthetic"], load=lambda *_, **__: bundle)
        monkeypatch.setitem(dataset_table.DATASETS, "unchecked", entry)
        return "unchecked"

    return add


@pytest.mark.parametrize(("labels", "words"), OUTSIDE)
def test_a_reader_that_counts_otherwise_is_refused(
    own_data: Any, labels: list[int], words: str
) -> None:
    message = rf"labels of val lie {words}: expected 0 to 2, one for each of anger, happiness, sad"
    with pytest.raises(UserError, match=message):
        load_dataset(own_data(labels))
    with pytest.raises(UserError, match=message):
        load_dataset("unchecked", val_fraction=0)  # only judged
    assert set(load_dataset(own_data([2, 0, 1, 0])).splits) == {"train", "val"}


def test_arrays_are_refused() -> None:
    for labels, words in OUTSIDE:
        with pytest.raises(UserError, match=f"{words}|begin at -1"):
            bundle_from_arrays(CLASSES, (IMAGES, np.array(labels)))
    with pytest.raises(UserError, match="labels of train begin at -1: expected 0 or more"):
        split_from_arrays("train", IMAGES, np.array([0, 1, -1, 2]))


@pytest.mark.parametrize(
    ("labels", "found"),
    [(np.eye(3, dtype=np.int32)[[0, 1, 2, 0]], r"int32 \[4, 3\]"), (np.ones(4), r"float64 \[4\]")],
)
def test_labels_are_integers_with_one_axis(
    labels: np.ndarray, found: str, make_split: Callable[..., Split]
) -> None:
    split = replace(make_split(IMAGES, np.array([0, 1, 2, 0])), labels=labels)
    with pytest.raises(UserError, match=rf"labels of val: integers \[N\] expected, found {found}"):
        check_labels({"val": split}, CLASSES)


def test_soft_labels_have_a_column_for_each_class(make_split: Callable[..., Split]) -> None:
    split = make_split(IMAGES, np.array([0, 1, 2, 0]))
    check_labels(
        {"val": replace(split, targets=np.eye(3, dtype=np.float32)[split.labels])}, CLASSES
    )
    wide = replace(split, targets=np.eye(4, dtype=np.float32)[split.labels])
    with pytest.raises(UserError, match=r"soft labels of val are \[4, 4\]: expected one column"):
        check_labels({"val": wide}, CLASSES)
