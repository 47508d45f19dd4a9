"""Groups of images of a bundle in figures: how many within a split, how many across two."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.data.splits.split import DatasetBundle

Members = list[dict[str, Any]]


def members(bundle: DatasetBundle, images: Sequence[tuple[str, int]], group: np.ndarray) -> Members:
    """Returns `split`, `position`, `id` and `label` of each image of a group.

    Args:
      bundle: the data set.
      images: (split, position) of every image.
      group: int [G], which of `images` belong to it.
    """
    listed = []
    for name, position in (images[k] for k in group):
        split = bundle.splits[name]
        label = bundle.classes[split.labels[position]]
        listed.append(
            {"split": name, "position": position, "id": split.ids[position], "label": label}
        )
    return listed


def groups_of(member_of: np.ndarray) -> list[np.ndarray]:
    """Returns the positions of each value of int [N] that occurs more than once."""
    order = np.argsort(member_of, kind="stable")
    cuts = np.flatnonzero(np.diff(member_of[order])) + 1
    groups = [group for group in np.split(order, cuts) if len(group) > 1]
    return sorted(groups, key=lambda group: group[0])


def conflicts_first(groups: list[Members]) -> list[Members]:
    """Returns the groups, those of more than one label before the others."""
    return sorted(groups, key=lambda group: len({member["label"] for member in group}) == 1)


def within_facts(groups: Sequence[Sequence[str]]) -> dict[str, int]:
    """Returns `groups`, `images` in them, `surplus` = images - groups, and `conflicts`.

    Args:
      groups: the labels of each group; conflicts are groups with more than one.
    """
    images = sum(map(len, groups))
    return {
        "groups": len(groups),
        "images": images,
        "surplus": images - len(groups),
        "conflicts": sum(len(set(labels)) > 1 for labels in groups),
    }


def across_facts(
    a: str, b: str, shared: Sequence[tuple[Sequence[str], Sequence[str]]]
) -> dict[str, Any]:
    """Returns `a`, `b`, `groups`, `a_images` and `b_images` in them, and `conflicts`.

    Args:
      a: name of a split.
      b: name of another.
      shared: of each group with images of both, their labels in a and in b.
    """
    return {
        "a": a,
        "b": b,
        "groups": len(shared),
        "a_images": sum(len(x) for x, _ in shared),
        "b_images": sum(len(y) for _, y in shared),
        "conflicts": sum(len({*x, *y}) > 1 for x, y in shared),
    }
