"""Groups of duplicate images: their members, and counts within a split and across two splits."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.data.splits.split import DatasetBundle

Group = list[dict[str, Any]]


def group_members(
    bundle: DatasetBundle, images: Sequence[tuple[str, int]], group: np.ndarray
) -> Group:
    """Returns `split`, `position`, `id` and `label` of each image of a group.

    Args:
      bundle: the data set.
      images: (split, position in the split) of every image.
      group: int [G], indexes of the members in `images`.
    """
    rows = []
    for name, position in (images[k] for k in group):
        split = bundle.splits[name]
        label = bundle.classes[split.labels[position]]
        rows.append(
            {"split": name, "position": position, "id": split.ids[position], "label": label}
        )
    return rows


def groups_from_ids(group_of: np.ndarray) -> list[np.ndarray]:
    """Returns the positions of the members of each group that has two or more members.

    Args:
      group_of: int [N], the group number of each image.
    """
    order = np.argsort(group_of, kind="stable")
    cuts = np.flatnonzero(np.diff(group_of[order])) + 1
    groups = [group for group in np.split(order, cuts) if len(group) > 1]
    return sorted(groups, key=lambda group: group[0])


def conflicts_first(groups: list[Group]) -> list[Group]:
    """Returns the groups; those with more than one label come first."""
    return sorted(groups, key=lambda group: len({member["label"] for member in group}) == 1)


def count_within(groups: Sequence[Sequence[str]]) -> dict[str, int]:
    """Returns `groups`, `images` in them, `surplus` = images - groups, and `conflicts`.

    Args:
      groups: the labels of each group. A conflict is a group with more than one label.
    """
    images = sum(map(len, groups))
    return {
        "groups": len(groups),
        "images": images,
        "surplus": images - len(groups),
        "conflicts": sum(len(set(labels)) > 1 for labels in groups),
    }


def count_across(
    a: str, b: str, shared: Sequence[tuple[Sequence[str], Sequence[str]]]
) -> dict[str, Any]:
    """Returns `a`, `b`, `groups`, `a_images` and `b_images` in them, and `conflicts`.

    Args:
      a: name of a split.
      b: name of another split.
      shared: (labels in a, labels in b) of each group that has images of both.
    """
    return {
        "a": a,
        "b": b,
        "groups": len(shared),
        "a_images": sum(len(x) for x, _ in shared),
        "b_images": sum(len(y) for _, y in shared),
        "conflicts": sum(len({*x, *y}) > 1 for x, y in shared),
    }
