"""Counts images in the splits of our runs, as papers count those of their data."""

from collections.abc import Mapping
from typing import Any


def images_in(splits: Mapping[str, Mapping[str, Any]], names: str) -> int | None:
    """Returns the number of images in a split, or in several as `train+val`; None if one lacks.

    Args:
      splits: split → a record with `images`.
      names: names of splits, joined by `+`.
    """
    wanted = names.split("+")
    if not set(wanted) <= set(splits):
        return None
    return sum(splits[name]["images"] for name in wanted)
