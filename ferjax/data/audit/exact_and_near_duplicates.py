"""Which pictures occur more than once, within and across splits, and under which labels."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ferjax.data.audit.duplicate_groups import (
    across_facts,
    conflicts_first,
    groups_of,
    members,
    within_facts,
)
from ferjax.data.audit.mirrored_duplicates import mirrored_summary, two_sided
from ferjax.data.audit.near_pairs import connected, mirrored_pairs, near_pairs
from ferjax.data.audit.pixel_pass import PixelFacts
from ferjax.data.splits.split import DatasetBundle


def duplicate_facts(
    bundle: DatasetBundle, facts: Mapping[str, PixelFacts], distance: int, correlation: float
) -> dict[str, Any]:
    """Groups the images of all splits by picture.

    Exact duplicates have the same pixels. Near duplicates are the same or nearly so: linked by
    nearness, directly or through others. So they include the exact ones. Mirrored duplicates are
    near to one another's mirror image, and are none of these.

    Args:
      bundle: the data set.
      facts: of each of its splits.
      distance: bits of the perceptual hashes in which near pictures may differ.
      correlation: least correlation of their thumbnails.

    Returns:
      `duplicates`, `near_duplicates` and `mirrored`, each with
      `within` {split: {`groups`, `images` in them, `surplus` = images - groups, `conflicts` =
      groups with more than one label}} of groups cut down to one split,
      `across` [{`a`, `b`, `groups` with images of both, `a_images`, `b_images` in those,
      `conflicts` = groups where a label in a differs from one in b}] for each two splits, and
      `groups` [[{`split`, `position`, `id`, `label`}]], label conflicts first. The members of
      `mirrored` have `mirrored` too: whether they show the first one's mirror image. The latter two
      add `distance` and `correlation`.
    """
    images = [(name, int(position)) for name in facts for position in facts[name].positions]
    _, first, picture = np.unique(
        np.array([d for f in facts.values() for d in f.digests], "S16").view("V16"),
        return_index=True,
        return_inverse=True,
    )
    hashes, turned, small = (
        np.concatenate([getattr(f, field) for f in facts.values()])[first]
        for field in ("hashes", "mirrored", "thumbnails")
    )
    small = small.astype(np.float32)
    near = near_pairs(hashes, small, distance, correlation)
    mirrored = mirrored_pairs(hashes, turned, small, distance, correlation)
    group, side = two_sided(len(first), near, mirrored)
    limits = {"distance": distance, "correlation": correlation}
    scene = connected(len(first), near)
    return {
        "duplicates": _summary(bundle, images, picture),
        "near_duplicates": {**limits, **_summary(bundle, images, scene[picture])},
        "mirrored": {**limits, **mirrored_summary(bundle, images, group[picture], side[picture])},
    }


def _summary(
    bundle: DatasetBundle, images: Sequence[tuple[str, int]], member_of: np.ndarray
) -> dict[str, Any]:
    """Returns `within`, `across` and `groups` of `duplicate_facts`."""
    listed = [members(bundle, images, group) for group in groups_of(member_of)]
    parts = [
        {name: [m["label"] for m in group if m["split"] == name] for name in bundle.splits}
        for group in listed
    ]
    within = {name: [part[name] for part in parts] for name in bundle.splits}
    return {
        "within": {
            name: within_facts([labels for labels in groups if len(labels) > 1])
            for name, groups in within.items()
        },
        "across": [
            across_facts(a, b, [(part[a], part[b]) for part in parts if part[a] and part[b]])
            for a, b in combinations(bundle.splits, 2)
        ],
        "groups": conflicts_first(listed),
    }
