"""Finds copies of FER2013 that were cut into other splits than the official ones."""

from collections.abc import Mapping

import numpy as np

from ferjax.data.datasets.fer2013.csv_layouts import CLASSES
from ferjax.data.datasets.published_class_counts import published_counts
from ferjax.data.splits.split import Split


def rename_other_splits(
    by_usage: Mapping[str, Split], unmarked: Mapping[str, str]
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits, with other names where they cannot be the official ones.

    Only usages in file names or in a column Usage prove an official split. Without them a folder
    `validation/` may be any cut of the data set. A split with more images of a class than published
    is not the official one, and the other splits without a proof are then not taken for it either.

    Args:
      by_usage: usage → its images; labels index `CLASSES`.
      unmarked: usages that follow only from the name of a folder or file → that name.

    Returns:
      Name → split, and a note if names are not official.
    """
    found = {
        usage: np.bincount(by_usage[usage].labels, minlength=len(CLASSES)) for usage in by_usage
    }
    excess = [
        f"{unmarked[usage]} has {found[usage][k]:,} images of {name}, {usage} has {published:,}"
        for usage in unmarked
        for k, (name, published) in enumerate(_published(usage).items())
        if found[usage][k] > published
    ]
    if not excess:
        return dict(by_usage), ()
    note = (
        f"{' and '.join(unmarked.values())}: not the official splits ({excess[0]}), so the results"
        " are not comparable with published ones"
    )
    new_name = {usage: f"{file} as in the copy (not {usage})" for usage, file in unmarked.items()}
    return {new_name.get(usage, usage): split for usage, split in by_usage.items()}, (note,)


def _published(usage: str) -> dict[str, int]:
    """Returns class → published number of images, in the order of `CLASSES`."""
    counts = published_counts("fer2013", usage)
    return {name: counts[name] for name in CLASSES}
