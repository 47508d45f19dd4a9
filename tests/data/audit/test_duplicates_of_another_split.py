"""Planted copies are found in both splits: identical, brighter, plain and mirrored ones."""

from collections.abc import Callable

import numpy as np

from ferjax.data.audit.duplicates_of_another_split import duplicates_across
from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.synthetic.load_synthetic import render_faces

Make = Callable[..., Split]


def drawn(count: int, first: int) -> np.ndarray:
    """Returns uint8 [count, 48, 48, 1] faces of different people."""
    numbers = np.arange(count)
    return render_faces(numbers % 7, first + numbers, 48).mean(-1, keepdims=True).astype(np.uint8)


def planted() -> tuple[np.ndarray, np.ndarray]:
    """Returns 60 and 20 faces; four of the latter are copies of faces of the former."""
    train, test = drawn(60, 0), drawn(20, 1000)
    test[3] = train[10]
    test[5] = np.clip(train[20].astype(int) + 12, 0, 255)
    test[7] = train[30][:, ::-1]
    # Plain images are equal, and similar to everything.
    train[50] = test[13] = 9
    return train, test


def test_planted_copies_are_found(make_split: Make) -> None:
    train, test = planted()
    in_train, in_test = duplicates_across(make_split(train), make_split(test))
    assert in_test.tolist() == [3, 5, 7, 13]
    assert in_train.tolist() == [10, 20, 30, 50]


def test_splits_without_copies(make_split: Make) -> None:
    in_train, in_test = duplicates_across(make_split(drawn(30, 0)), make_split(drawn(30, 500)))
    assert len(in_train) == len(in_test) == 0


def test_the_protocol_leaves_them_out_of_train(make_split: Make) -> None:
    train, test = planted()
    splits = {
        "train": make_split(train),
        "val": make_split(drawn(9, 300)),
        "test": make_split(test),
    }
    bundle = DatasetBundle(splits, ("anger", "fear"), "made", dict.fromkeys(splits, "its"))
    found = PROTOCOLS["without_duplicates"].arrange(bundle, 0, 0.1)
    kept = {int(name) for name in found.splits["train"].ids}
    assert kept == {*range(60)} - {10, 20, 30, 50}
    assert len(found.splits["test"]) == 20
    assert found.notes == ("4 training images that 4 test images show too were left out",)
