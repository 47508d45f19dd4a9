"""Warnings that name the classes without images."""

from dataclasses import replace

import numpy as np

from ferjax.data.splits.class_counts import absent_class_warnings, absent_classes
from ferjax.data.splits.from_arrays import split_from_arrays
from ferjax.data.splits.split import Split

CLASSES = ("anger", "fear", "sadness")


def split(name: str, *labels: int) -> Split:
    return split_from_arrays(name, np.zeros((len(labels), 2, 2), np.uint8), np.array(labels))


def test_each_split_that_lacks_a_class_has_a_warning_with_its_name() -> None:
    splits = {"train": split("train", 0, 2), "val": split("val", 0, 1, 2), "test": split("test", 0)}
    train, test = absent_class_warnings(splits, CLASSES)
    assert train.startswith("train has no image of fear: the network cannot learn")
    assert test.startswith("test has no image of fear, sadness: averages over classes leave it out")
    assert absent_class_warnings({"val": splits["val"]}, CLASSES) == []


def test_a_class_that_only_soft_labels_show_is_not_absent() -> None:
    soft = replace(split("train", 0, 2), targets=np.array([[0.9, 0.1, 0], [0, 0, 1]], np.float32))
    assert absent_classes(soft, CLASSES) == ()
