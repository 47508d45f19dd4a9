"""Stratified validation cut and stratified sample of a split, reproducible by seed."""

import numpy as np

from ferjax.data.splits.split import Split, subset
from ferjax.errors import UserError


def stratified_cut(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Holds out `fraction` of every class.

    From a class of n images round(fraction·n) are held out, at least 1 and at most n-1 if n is 2 or
    more. A class with one image is kept.

    Args:
      labels: int [N] class indexes.
      fraction: share to hold out, above 0 and below 1.
      seed: seed of a Philox generator, 0 or more; it gives the same cut on every machine.

    Returns:
      (kept, held_out): ascending int64 positions; they are disjoint and together 0 to N-1.

    Raises:
      UserError: `fraction` or `seed` is out of range.
    """
    if not 0 < fraction < 1:
        raise UserError(f"val_fraction={fraction}: expected a number above 0 and below 1, say 0.1")
    held = np.zeros(len(labels), bool)
    for positions in _shuffled_classes(labels, seed):
        n = len(positions)
        held[positions[: min(max(round(fraction * n), 1), n - 1)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def stratified_sample(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns ascending int64 positions of `count` images with the class shares of `labels`.

    Every class has an image if `count` is at least the number of classes. A smaller sample is part
    of every larger sample with the same seed. If `count` is N or more, all positions are returned.

    Raises:
      UserError: `count` is below 1, or `seed` below 0.
    """
    if count < 1:
        raise UserError(f"a sample of {count} images was asked for: expected 1 or more")
    # Image r of a class of n images has rank (r + 0.5)/n, so the images below any rank are the same
    # share of every class. The first image of each class has a negative rank and comes first.
    rank = np.empty(len(labels))
    for positions in _shuffled_classes(labels, seed):
        rank[positions] = (np.arange(len(positions)) + 0.5) / len(positions)
        rank[positions[0]] = -len(positions)
    return np.sort(np.argsort(rank, kind="stable")[:count])


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Returns `train` and `val`, cut from `split` by `stratified_cut`; `fraction` 0: val is empty.

    Raises:
      UserError: `fraction` or `seed` is out of range, or no class has two images.
    """
    if fraction == 0:  # the data are only evaluated
        return subset(split, np.arange(len(split)), "train"), subset(split, np.arange(0), "val")
    kept, held = stratified_cut(split.labels, fraction, seed)
    if not len(held):
        raise UserError(
            f"{split.name}: no class has two images ({len(split):,} in all), so none can be held"
            " out as val. Give two or more of a class, or a val split."
        )
    return subset(split, kept, "train"), subset(split, held, "val")


def _shuffled_classes(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """Returns the positions of each class, classes in ascending order, shuffled by `seed`."""
    if seed < 0:
        raise UserError(f"split_seed={seed}: expected 0 or more")
    generator = np.random.Generator(np.random.Philox(seed))
    labels = np.asarray(labels)
    return [generator.permutation(np.flatnonzero(labels == k)) for k in np.unique(labels)]
