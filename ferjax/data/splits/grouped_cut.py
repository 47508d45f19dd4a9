"""Stratified cut that keeps groups together, such as the faces that are cut out of one picture."""

from collections.abc import Sequence

import numpy as np

from ferjax.data.splits.stratified_cut import stratified_cut


def grouped_cut(
    labels: np.ndarray, groups: Sequence[str] | np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Holds out about `fraction` of every class; all members of a group go to the same side.

    The class of a group is the rarest class in it, and the groups of each class are cut by
    `stratified_cut`. If every group has one member, the cut is that of `stratified_cut`.

    Args:
      labels: int [N] class indexes.
      groups: str [N], the group of each image.
      fraction: share to hold out, above 0 and below 1.
      seed: 0 or more; it gives the same cut on every machine.

    Returns:
      (kept, held_out): ascending int64 positions; they are disjoint and together 0 to N-1, and no
      group is in both.

    Raises:
      UserError: `fraction` or `seed` is out of range.
    """
    labels = np.asarray(labels)
    group_names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(labels) if len(labels) else np.zeros(0, int)
    rarest_first = np.argsort(counts[labels], kind="stable")
    # The first member of a group in this order has the group's rarest class.
    _, first_members = np.unique(group_of[rarest_first], return_index=True)
    _, held = stratified_cut(labels[rarest_first][first_members], fraction, seed)
    is_held = np.zeros(len(group_names), bool)
    is_held[held] = True
    return np.flatnonzero(~is_held[group_of]), np.flatnonzero(is_held[group_of])
