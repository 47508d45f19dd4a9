"""Stratified cuts of a split: the same seed gives the same images, class by class."""

import numpy as np

from ferjax.data.splits.split import Split, subset
from ferjax.errors import UserError


def stratified_cut(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts `fraction` of every class off.

    Of a class of n images round(fraction·n) are held out, at least 1 and at most n-1 where n is 2
    or more; a class of one image is kept.

    Args:
      labels: int [N] class indexes.
      fraction: share to hold out, above 0 and below 1.
      seed: of a Philox generator, 0 or more; the same seed gives the same cut on every machine.

    Returns:
      (kept, held_out): ascending int64 positions, disjoint, together 0 to N-1.

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
    """Returns ascending int64 positions of `count` images whose class shares are those of `labels`.

    Every class keeps an image while `count` is at least the number of classes; a smaller sample is
    part of every larger one with the same seed. All positions where `count` is N or more.

    Raises:
      UserError: `count` is below 1, or `seed` below 0.
    """
    if count < 1:
        raise UserError(f"a sample of {count} images was asked for: expected 1 or more")
    # Image r of a class of n stands at (r + 0.5)/n of the way, so a cut at any point takes the same
    # share of every class; the first of each class moves to the very front.
    turn = np.empty(len(labels))
    for positions in _shuffled_classes(labels, seed):
        turn[positions] = (np.arange(len(positions)) + 0.5) / len(positions)
        turn[positions[0]] = -len(positions)
    return np.sort(np.argsort(turn, kind="stable")[:count])


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Returns `split` as a `train` and a `val` split, cut by `stratified_cut`."""
    kept, held = stratified_cut(split.labels, fraction, seed)
    return subset(split, kept, "train"), subset(split, held, "val")


def _shuffled_classes(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """Returns the positions of each class, classes in ascending order, shuffled by `seed`."""
    if seed < 0:
        raise UserError(f"split_seed={seed}: expected 0 or more")
    generator = np.random.Generator(np.random.Philox(seed))
    labels = np.asarray(labels)
    return [generator.permutation(np.flatnonzero(labels == k)) for k in np.unique(labels)]
