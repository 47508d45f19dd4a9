"""Compares class counts with the published ones; refuses labels that are permuted."""

from collections.abc import Mapping
from itertools import permutations

import numpy as np

from ferjax.data.datasets.published_class_counts import PUBLISHED, published_counts
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

# Data set → split that users cut from a published split → that published split.
_PART_OF = {"rafdb": {"val": "train"}}


def merge_parts(
    dataset: str, found_counts: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """Returns `found_counts` with each part of a published split added to that split."""
    merged: dict[str, dict[str, int]] = {}
    for split, counts in found_counts.items():
        total = merged.setdefault(_PART_OF.get(dataset, {}).get(split, split), {})
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return merged


def check_counts(
    dataset: str, found_counts: Mapping[str, Mapping[str, int]], where: str
) -> tuple[str, ...]:
    """Compares class counts with the published ones.

    Labels are refused only if a permutation of the class names fits strictly better. The measure is
    the sum of absolute differences over the splits present. A smaller copy of a data set fits no
    permutation better, so it only gets a note.

    Args:
      dataset: a name in `PUBLISHED`.
      found_counts: original split name (`a+b` for merged splits) → class → number of images.
      where: the file or folder that the labels were read from.

    Returns:
      A note with the numbers for each split that differs from the published counts.

    Raises:
      UserError: the labels look permuted.
    """
    found_counts = merge_parts(dataset, found_counts)
    published = {split: published_counts(dataset, split) for split in found_counts}
    names = ordered_classes(next(iter(PUBLISHED[dataset].values())))
    actual = np.array([[counts.get(n, 0) for n in names] for counts in found_counts.values()])
    target = np.array([[counts[n] for n in names] for counts in published.values()])
    # cost[i, j]: difference between the counts of class i here and the published ones of class j.
    cost = np.abs(actual[:, :, None] - target[:, None, :]).sum(axis=0)
    orders = np.array(list(permutations(range(len(names)))))
    fits = cost[np.arange(len(names)), orders].sum(axis=1)
    if fits.min() < np.trace(cost):
        best = orders[fits == fits.min()]
        moved = best != np.arange(len(names))
        order = best[moved.sum(axis=1).argmin()]
        pairs = [(i, j) for i, j in enumerate(order) if i != j]
        totals, expected = actual.sum(axis=0), target.sum(axis=0)
        like = ", ".join(
            f"{names[i]} ({totals[i]:,} images, published {expected[i]:,}) counts like "
            f"{names[j]} ({expected[j]:,})"
            for i, j in pairs
        )
        raise UserError(
            f"{where}: the labels of {dataset} look permuted over {', '.join(found_counts)}: "
            f"{like}. Restore the original numbering or class folders; a copy recounted on purpose "
            f"is no {dataset} any more: sort it into class folders and give --dataset=folder."
        )
    notes = (_note(split, found_counts[split], published[split]) for split in found_counts)
    return tuple(note for note in notes if note)


def _note(split: str, found_counts: Mapping[str, int], published: Mapping[str, int]) -> str:
    """Returns "train: 90 images, 100 published (anger -10)", or "" if the counts agree."""
    gaps = {
        name: found_counts.get(name, 0) - published[name] for name in ordered_classes(published)
    }
    changes = ", ".join(f"{name} {gap:+,}" for name, gap in gaps.items() if gap)
    total = sum(found_counts.get(name, 0) for name in published)
    return (
        f"{split}: {total:,} images, {sum(published.values()):,} published ({changes})"
        if changes
        else ""
    )
