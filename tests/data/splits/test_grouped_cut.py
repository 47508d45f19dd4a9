"""Stratified cuts that keep groups together."""

import numpy as np
import pytest

from ferjax.data.splits.grouped_cut import grouped_cut
from ferjax.data.splits.stratified_cut import stratified_cut
from ferjax.errors import UserError


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_group_is_cut_and_shares_are_kept(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, 3000, 5000).astype(str)
    labels = random.choice(5, 5000, p=[0.5, 0.3, 0.1, 0.07, 0.03])
    kept, held = grouped_cut(labels, groups, 0.2, seed)
    assert not set(groups[kept]) & set(groups[held])
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(5000))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    shares = np.bincount(labels[held], minlength=5) / np.bincount(labels, minlength=5)
    assert np.abs(shares - 0.2).max() < 0.05
    again = grouped_cut(labels, groups, 0.2, seed)
    assert np.array_equal(held, again[1])
    assert not np.array_equal(held, grouped_cut(labels, groups, 0.2, seed + 7)[1])


def test_groups_of_one_are_the_plain_cut() -> None:
    labels = np.random.default_rng(0).integers(0, 4, 300)
    groups = np.array([f"{k:03d}" for k in range(300)])
    grouped = np.bincount(labels[grouped_cut(labels, groups, 0.1, 3)[1]])
    plain = np.bincount(labels[stratified_cut(labels, 0.1, 3)[1]])
    assert np.array_equal(grouped, plain)


def test_bad_fractions() -> None:
    with pytest.raises(UserError, match="val_fraction=1"):
        grouped_cut(np.zeros(4, int), ["a", "b", "c", "d"], 1, 0)
