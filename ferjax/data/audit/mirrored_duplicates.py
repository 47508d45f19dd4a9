"""Groups mirrored duplicates: in each group some images are mirror images of the others."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ferjax.data.audit.count_duplicate_groups import (
    Group,
    conflicts_first,
    count_across,
    count_within,
    group_members,
    groups_from_ids,
)
from ferjax.data.audit.near_duplicate_pairs import connected_components
from ferjax.data.splits.split import DatasetBundle


def group_mirrored(
    count: int, near: np.ndarray, mirrored: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Groups images that are similar, unmirrored or mirrored, and finds both sides of each group.

    Args:
      count: number of images, N.
      near: int [P, 2], pairs of near duplicates.
      mirrored: int [Q, 2], pairs of mirrored duplicates. Pairs that `near` connects already,
        directly or through other images, are ignored.

    Returns:
      int64 [N], the first member of each image's group, and bool [N], whether the image shows the
      mirror image of that member.
    """
    near_group = connected_components(count, near)
    mirrored = mirrored[near_group[mirrored[:, 0]] != near_group[mirrored[:, 1]]]
    # Every image is two nodes: unmirrored and mirrored. A mirrored pair connects the unmirrored
    # node of one with the mirrored node of the other, so each side of a group is a component.
    offset = np.array([0, count])
    sides = [near, near + count, mirrored + offset, mirrored + offset[::-1]]
    side = connected_components(2 * count, np.concatenate(sides))[:count]
    group = connected_components(count, np.concatenate([near, mirrored]))
    return group, side != side[group]


def summarise_mirrored(
    bundle: DatasetBundle,
    images: Sequence[tuple[str, int]],
    group: np.ndarray,
    is_mirrored: np.ndarray,
) -> dict[str, Any]:
    """Returns `within`, `across` and `groups` of `summarise_duplicates` for mirrored duplicates.

    A group counts in a split, or across two splits, if it has images of both sides there. Copies on
    one side only are duplicates, not mirrored duplicates.

    Args:
      bundle: the data set.
      images: (split, position in the split) of each of the N images.
      group: int [N], as `group_mirrored` returns it.
      is_mirrored: bool [N], as `group_mirrored` returns it.
    """
    groups: list[Group] = []
    for positions in groups_from_ids(group):
        side = (is_mirrored[positions] != is_mirrored[positions[0]]).tolist()
        if any(side):
            members = group_members(bundle, images, positions)
            groups.append(
                [{**m, "mirrored": mirrored} for m, mirrored in zip(members, side, strict=True)]
            )
    names = list(bundle.splits)
    within = {name: [_labels(members, name, name) for members in groups] for name in names}
    across = [
        (a, b, [(_labels(members, a, b), _labels(members, b, a)) for members in groups])
        for a, b in combinations(names, 2)
    ]
    return {
        "within": {name: count_within([x for x in labels if x]) for name, labels in within.items()},
        "across": [count_across(a, b, [x for x in pairs if x[0]]) for a, b, pairs in across],
        "groups": conflicts_first(groups),
    }


def _labels(group: Group, split: str, other_split: str) -> list[str]:
    """Returns the labels of the images in `split` whose mirror images are in `other_split`."""
    sides = {member["mirrored"] for member in group if member["split"] == other_split}
    return [m["label"] for m in group if m["split"] == split and (not m["mirrored"]) in sides]
