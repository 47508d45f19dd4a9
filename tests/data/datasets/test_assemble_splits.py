"""Splits assembled to a bundle: roles, the validation cut, notes and sources."""

from typing import Any

import numpy as np
import pytest

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.errors import UserError

CLASSES = ("anger", "fear")
ROLES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}


def split(name: str, n: int) -> Split:
    images = np.zeros((n, 2, 2, 1), np.uint8)
    ids = tuple(f"{name}{i}" for i in range(n))
    return Split(name, np.arange(n, dtype=np.int32) % 2, ids, (2, 2, 1), lambda i: images[i])


def build(sizes: dict[str, int], roles: dict[str, str] = ROLES, **options: Any) -> DatasetBundle:
    found = {name: split(name, n) for name, n in sizes.items()}
    given = {"layout": "words", "where": "here", "val_fraction": 0.2, "split_seed": 5} | options
    return assemble("made_up", found, roles, CLASSES, **given)


def test_own_names_become_roles() -> None:
    bundle = build({"PrivateTest": 3, "Training": 10, "PublicTest": 4}, notes=("first",))
    assert list(bundle.splits) == ["train", "val", "test"]
    assert {role: (s.name, len(s)) for role, s in bundle.splits.items()} == {
        "train": ("train", 10),
        "val": ("val", 4),
        "test": ("test", 3),
    }
    assert bundle.sources == {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
    assert (bundle.classes, bundle.layout, bundle.notes) == (CLASSES, "words", ("first",))


def test_val_is_cut_from_train_and_said_so() -> None:
    bundle = build({"Training": 10, "PublicTest": 0})
    train, val = bundle.splits["train"], bundle.splits["val"]
    assert (len(train), len(val)) == (8, 2)
    assert not set(train.ids) & set(val.ids)
    assert bundle.sources == {
        "train": "Training without the validation cut",
        "val": "stratified 0.2 of Training (split seed 5)",
    }
    assert bundle.notes == (
        "no validation split on disk: val is a stratified 0.2 of Training (split seed 5)",
        "no test split on disk (PrivateTest)",
    )


def test_no_note_where_the_data_set_never_has_a_val() -> None:
    roles = {"train": "train", "test": "test"}
    assert build({"train": 10, "test": 3}, roles).notes == ()


def test_no_training_images_is_refused() -> None:
    with pytest.raises(UserError, match=r"here: no training images \(Training\), found PublicTest"):
        build({"PublicTest": 3})
