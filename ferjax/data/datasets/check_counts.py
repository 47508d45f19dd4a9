"""Published class counts: they tell a permuted label numbering from a smaller copy."""

from collections.abc import Mapping
from itertools import permutations

import numpy as np

from ferjax.data.datasets.published_counts import PUBLISHED
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

# Data set → a split that users cut from a published one → that one.
_PARTS = {"rafdb": {"val": "train"}}


def published_counts(dataset: str, split: str) -> dict[str, int]:
    """Returns the published images of each class; `a+b` names two splits merged into one."""
    parts = [PUBLISHED[dataset][part] for part in split.split("+")]
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def whole_splits(dataset: str, found: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Returns the counts of `found` with each part of a published split added to it."""
    whole: dict[str, dict[str, int]] = {}
    for split, counts in found.items():
        total = whole.setdefault(_PARTS.get(dataset, {}).get(split, split), {})
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return whole


def check_counts(
    dataset: str, found: Mapping[str, Mapping[str, int]], where: str
) -> tuple[str, ...]:
    """Compares class counts with the published ones.

    A numbering is refused only where giving the classes other names would fit strictly better, fit
    being the sum of absolute differences over the splits present. A copy with fewer images fits no
    permutation better by being smaller, so it is only remarked on.

    Args:
      dataset: a name in `PUBLISHED`.
      found: the data set's own split names (`a+b` for merged ones) → images of each class.
      where: the file or folder the labels were read from.

    Returns:
      A note with the numbers for each split that differs; none where all counts are the published.

    Raises:
      UserError: the labels look permuted.
    """
    found = whole_splits(dataset, found)
    published = {split: published_counts(dataset, split) for split in found}
    names = ordered_classes(next(iter(PUBLISHED[dataset].values())))
    have = np.array([[counts.get(n, 0) for n in names] for counts in found.values()])
    want = np.array([[counts[n] for n in names] for counts in published.values()])
    # cost[i, j]: how badly the images filed under class i fit the published counts of class j.
    cost = np.abs(have[:, :, None] - want[:, None, :]).sum(axis=0)
    orders = np.array(list(permutations(range(len(names)))))
    fits = cost[np.arange(len(names)), orders].sum(axis=1)
    if fits.min() < np.trace(cost):
        best = orders[fits == fits.min()]
        moved = best != np.arange(len(names))
        order = best[moved.sum(axis=1).argmin()]
        pairs = [(i, j) for i, j in enumerate(order) if i != j]
        totals, expected = have.sum(axis=0), want.sum(axis=0)
        looks = ", ".join(
            f"{names[i]} ({totals[i]:,} images, published {expected[i]:,}) counts like "
            f"{names[j]} ({expected[j]:,})"
            for i, j in pairs
        )
        raise UserError(
            f"{where}: the labels of {dataset} look permuted over {', '.join(found)}: {looks}. "
            "Restore the original numbering or class folders; a copy recounted on purpose is no "
            f"{dataset} any more: sort it into class folders and give --dataset=folder."
        )
    notes = (_note(split, found[split], published[split]) for split in found)
    return tuple(note for note in notes if note)


def _note(split: str, found: Mapping[str, int], published: Mapping[str, int]) -> str:
    """Returns "train: 90 images, 100 published (anger -10)", or nothing where counts agree."""
    gaps = {name: found.get(name, 0) - published[name] for name in ordered_classes(published)}
    changes = ", ".join(f"{name} {gap:+,}" for name, gap in gaps.items() if gap)
    total = sum(found.get(name, 0) for name in published)
    return (
        f"{split}: {total:,} images, {sum(published.values()):,} published ({changes})"
        if changes
        else ""
    )
