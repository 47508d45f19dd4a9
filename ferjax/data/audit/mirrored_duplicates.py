"""Groups of pictures of which some are the mirror images of others."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ferjax.data.audit.duplicate_groups import (
    Members,
    across_facts,
    conflicts_first,
    groups_of,
    members,
    within_facts,
)
from ferjax.data.audit.near_pairs import connected
from ferjax.data.splits.split import DatasetBundle


def two_sided(count: int, near: np.ndarray, mirrored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups pictures by nearness, as they are or mirrored; tells the two sides of each group.

    Args:
      count: number of pictures, N.
      near: int [P, 2], pairs that are nearly the same as they are.
      mirrored: int [Q, 2], pairs of which one is nearly the other's mirror image. Pairs that `near`
        joins already, directly or through others, do not count.

    Returns:
      int64 [N], the first member of each picture's group, and bool [N], whether it shows that
      member's mirror image.
    """
    scene = connected(count, near)
    mirrored = mirrored[scene[mirrored[:, 0]] != scene[mirrored[:, 1]]]
    # Every picture twice, as it is and turned: a mirrored pair joins one's picture and the other's
    # turned one, so that each side of a group becomes a component.
    turn = np.array([0, count])
    sides = [near, near + count, mirrored + turn, mirrored + turn[::-1]]
    side = connected(2 * count, np.concatenate(sides))[:count]
    group = connected(count, np.concatenate([near, mirrored]))
    return group, side != side[group]


def mirrored_summary(
    bundle: DatasetBundle,
    images: Sequence[tuple[str, int]],
    group: np.ndarray,
    turned: np.ndarray,
) -> dict[str, Any]:
    """Returns `within`, `across` and `groups` of `duplicate_facts`, of mirrored pictures.

    A group counts in a split, or across two, where it has images of both sides there. Copies on
    one side alone are duplicates, not mirrored ones.

    Args:
      bundle: the data set.
      images: (split, position) of each of the N images.
      group: int [N], of `two_sided`.
      turned: bool [N], likewise.
    """
    listed: list[Members] = []
    for where in groups_of(group):
        side = (turned[where] != turned[where[0]]).tolist()
        if any(side):
            both = zip(members(bundle, images, where), side, strict=True)
            listed.append([{**member, "mirrored": other} for member, other in both])
    names = list(bundle.splits)
    within = {name: [_labels(one, name, name) for one in listed] for name in names}
    across = [
        (a, b, [(_labels(one, a, b), _labels(one, b, a)) for one in listed])
        for a, b in combinations(names, 2)
    ]
    return {
        "within": {name: within_facts([x for x in labels if x]) for name, labels in within.items()},
        "across": [across_facts(a, b, [x for x in pairs if x[0]]) for a, b, pairs in across],
        "groups": conflicts_first(listed),
    }


def _labels(group: Members, split: str, other: str) -> list[str]:
    """Returns the labels of the group's images in `split` whose other side is in `other`."""
    sides = {member["mirrored"] for member in group if member["split"] == other}
    return [m["label"] for m in group if m["split"] == split and (not m["mirrored"]) in sides]
