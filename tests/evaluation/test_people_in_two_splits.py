"""People in train and in a split that is judged stand in the head of the report."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ferjax.data.splits.split import DatasetBundle, Split, shared_subjects
from ferjax.evaluation.protocol import overlaps, people_warnings


def bundle_of(make_split: Callable[..., Split], **people: list[str] | None) -> DatasetBundle:
    """Returns a bundle of one image a person; `people` are the subjects of each split."""
    rng, splits = np.random.default_rng(0), {}
    for name, subjects in people.items():
        images = rng.integers(0, 256, (len(subjects or "abc"), 8, 8, 1), np.uint8)
        split = make_split(images, np.zeros(len(images)), name)
        known = None if subjects is None else np.array(subjects)
        splits[name] = replace(split, subjects=known)
    return DatasetBundle(
        splits=splits, classes=("anger", "fear"), sources={}, layout="x", crops="", notes=()
    )


def test_the_head_counts_people(make_split: Callable[..., Split]) -> None:
    bundle = bundle_of(make_split, train=["a", "a", "b", "c"], val=["d"], test=["a", "c", "c"])
    assert overlaps(bundle) == [
        "0 of 1 val images are in train; 0 people are in both",
        "0 of 3 test images are in train; 2 people are in both",
        "0 of 3 test images are in val; 0 people are in both",
    ]
    (warning,) = people_warnings(bundle)
    assert warning.startswith("2 people are in train and in test")


def test_nothing_is_said_where_people_are_not_known(make_split: Callable[..., Split]) -> None:
    bundle = bundle_of(make_split, train=["a", "b"], val=None)
    assert overlaps(bundle) == ["0 of 3 val images are in train"]
    assert people_warnings(bundle) == []
    assert shared_subjects(bundle.splits["train"], bundle.splits["val"]) == 0
