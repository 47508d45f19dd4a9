"""Compares class counts with the published ones; refuses labels that are permuted."""

from collections.abc import Mapping, Sequence

import numpy as np

from ferjax.data.datasets.permuted_labels import likeliest_order
from ferjax.data.datasets.published_class_counts import PUBLISHED, published_counts
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

# Thresholds for the results of `likeliest_order`. Another order is clearly likelier if it passes
# two tests: a random part with right labels has counts as unusual as these at most once in
# e^20 / 7! = 100,000 times, and the order explains 95 % of the misfit. The second test is for
# images that were chosen by class (balanced, without some classes, thinned): their counts are very
# unlikely too, but mostly about as unlikely in any other order. In a trial these values refused
# none of thousands of random and balanced parts, and 1 in 200 parts with a random share of each
# class.
_REFUSED_LOG_RATIO, _REFUSED_MISFIT = 20.0, 0.05
_NOTED_LOG_RATIO, _NOTED_MISFIT = 8.0, 0.25
# A few hundred images may be chosen by hand, with any counts: these are not refused.
_MOST_CHOSEN_BY_HAND = 500

# Data set → split that users cut from a published split → that published split.
_PART_OF = {"rafdb": {"val": "train"}}


def published_split(dataset: str, split: str) -> str:
    """Returns the published split that contains the images of `split`."""
    return _PART_OF.get(dataset, {}).get(split, split)


def merge_parts(
    dataset: str, found_counts: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """Returns `found_counts` with each part of a published split added to that split."""
    merged: dict[str, dict[str, int]] = {}
    for split, counts in found_counts.items():
        total = merged.setdefault(published_split(dataset, split), {})
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return merged


def check_counts(
    dataset: str, found_counts: Mapping[str, Mapping[str, int]], where: str
) -> tuple[str, ...]:
    """Returns remarks on class counts that differ from the published ones.

    Labels are refused if another order of the classes is clearly likelier than the given order, in
    all splits or in one of them. If it is likelier, but not clearly, a remark says so. A copy may
    be a random part of the data set: its class shares are compared (`permuted_labels`). Counts of
    images chosen by hand fit no order well; they are not refused.

    Args:
      dataset: a name in `PUBLISHED`.
      found_counts: original split name (`a+b` for merged splits) → class → number of images.
      where: the file or folder that the labels were read from.

    Returns:
      A note with the numbers for each split that differs from the published counts, and a note on
      an order of the classes that fits better, if there is one.

    Raises:
      UserError: the labels look permuted.
    """
    found_counts = merge_parts(dataset, found_counts)
    published = {split: published_counts(dataset, split) for split in found_counts}
    names = ordered_classes(next(iter(PUBLISHED[dataset].values())))
    count_array = np.array([[counts.get(n, 0) for n in names] for counts in found_counts.values()])
    published_array = np.array([[counts[n] for n in names] for counts in published.values()])
    notes = [_note(split, found_counts[split], published[split]) for split in found_counts]
    # All splits together are the strongest evidence; but perhaps only one split is permuted.
    groups = dict.fromkeys(
        [tuple(range(len(count_array))), *((k,) for k in range(len(count_array)))]
    )
    suspicions = []
    for group in map(list, groups):
        likeliest = likeliest_order(count_array[group], published_array[group])
        splits = ", ".join(np.array([*found_counts])[group])
        moves = _describe_order(
            likeliest.order, count_array[group].sum(0), published_array[group].sum(0), names
        )
        images, published_images = count_array[group].sum(), published_array[group].sum()
        enough_images = images >= min(_MOST_CHOSEN_BY_HAND, published_images // 2)
        if (
            likeliest.log_ratio >= _REFUSED_LOG_RATIO
            and likeliest.misfit <= _REFUSED_MISFIT
            and enough_images
        ):
            raise UserError(
                f"{where}: the labels of {dataset} look permuted over {splits}: {moves}. Restore "
                "the original numbering or class folders; a copy recounted on purpose is no "
                f"{dataset} any more: sort it into class folders and give --dataset=folder."
            )
        if likeliest.log_ratio >= _NOTED_LOG_RATIO and likeliest.misfit <= _NOTED_MISFIT:
            suspicions.append(
                f"the counts of {splits} fit another order of the classes better: {moves}. Check "
                "the numbering of the labels"
            )
    return (*filter(None, notes), *suspicions[:1])


def _describe_order(
    order: np.ndarray, found: np.ndarray, published: np.ndarray, names: Sequence[str]
) -> str:
    """Returns the classes that `order` moves; published counts are scaled to the images found."""
    expected = (published * min(1.0, found.sum() / published.sum())).round().astype(int)
    moves = ", ".join(
        f"{names[i]} ({found[i]:,} images, published {expected[i]:,}) counts like {names[j]} "
        f"({expected[j]:,})"
        for i, j in enumerate(order)
        if i != j
    )
    if found.sum() >= published.sum():
        return moves
    return f"{moves}; published counts are scaled to {found.sum() / published.sum():.0%} of all"


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
