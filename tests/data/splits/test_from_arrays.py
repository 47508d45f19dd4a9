"""Data sets of arrays in memory: what is read back, cut off and refused."""

import numpy as np
import pytest

from ferjax.data.splits.from_arrays import bundle_from_arrays, split_from_arrays
from ferjax.errors import UserError

IMAGES = np.arange(20 * 4 * 4, dtype=np.uint8).reshape(20, 4, 4)
LABELS = np.arange(20) % 2


def test_images_come_back_in_the_order_asked_for() -> None:
    split = split_from_arrays("test", IMAGES, LABELS)
    assert (split.shape, split.ids[3]) == ((4, 4, 1), "test:3")
    np.testing.assert_array_equal(split.read(np.array([7, 2]))[..., 0], IMAGES[[7, 2]])


def test_val_is_cut_from_train_where_none_is_given() -> None:
    bundle = bundle_from_arrays(("a", "b"), (IMAGES, LABELS), test=(IMAGES[:4], LABELS[:4]))
    assert {name: len(split) for name, split in bundle.splits.items()} == {
        "train": 18,
        "val": 2,
        "test": 4,
    }
    assert not set(bundle.splits["train"].ids) & set(bundle.splits["val"].ids)
    assert "stratified" in bundle.sources["val"]


def test_labels_may_be_a_list() -> None:
    split = split_from_arrays("test", IMAGES, LABELS.tolist())
    assert split.labels.dtype == np.int32
    np.testing.assert_array_equal(split.labels, LABELS)


def test_names_are_one_for_each_image_and_one_for_each_class() -> None:
    assert split_from_arrays("test", IMAGES[:2], LABELS[:2], ["x", "y"]).ids == ["x", "y"]
    with pytest.raises(UserError, match="test: 20 images and 1 ids"):
        split_from_arrays("test", IMAGES, LABELS, ["x"])
    with pytest.raises(UserError, match="classes: a stands there twice"):
        bundle_from_arrays(("a", "b", "a"), (IMAGES, LABELS))


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (IMAGES.astype(float), LABELS, "uint8"),
        (np.zeros((20, 3, 8, 8), np.uint8), LABELS, "1 or 3"),
        (IMAGES[:5], LABELS, "5 images and 20 labels"),
        (list(IMAGES), LABELS, r"an array expected, found a list\. .*np\.stack"),
        (IMAGES, LABELS + 1, "expected 0 to 1"),
        (IMAGES, np.eye(2, dtype=int)[LABELS], r"found int64 \[20, 2\]\. .*labels\.argmax\(1\)"),
        (IMAGES, LABELS + 0.5, r"integers \[N\] expected, found float64 \[20\]\.$"),
        (IMAGES, LABELS.astype(bool), r"found bool \[20\]"),
    ],
)
def test_what_does_not_fit_is_refused(images: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(UserError, match=words):
        bundle_from_arrays(("a", "b"), (images, labels))
