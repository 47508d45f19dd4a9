"""Summarises exact, near and mirrored duplicates within and across splits, and their labels."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ferjax.data.audit.count_duplicate_groups import (
    conflicts_first,
    count_across,
    count_within,
    group_members,
    groups_from_ids,
)
from ferjax.data.audit.mirrored_duplicates import group_mirrored, summarise_mirrored
from ferjax.data.audit.near_duplicate_pairs import (
    connected_components,
    find_mirrored_pairs,
    find_near_pairs,
)
from ferjax.data.audit.pixel_statistics import PixelStatistics
from ferjax.data.splits.split import DatasetBundle


def summarise_duplicates(
    bundle: DatasetBundle,
    statistics: Mapping[str, PixelStatistics],
    distance: int,
    correlation: float,
) -> dict[str, Any]:
    """Groups the images of all splits that are duplicates of each other.

    Exact duplicates have the same pixels. Near duplicates are equal or similar, directly or through
    a chain of similar images, so they include the exact duplicates. Mirrored duplicates are similar
    to each other's mirror image; they are not counted as near duplicates.

    Args:
      bundle: the data set.
      statistics: split name → its pixel statistics.
      distance: number of bits in which the perceptual hashes of near duplicates may differ.
      correlation: smallest correlation of their thumbnails.

    Returns:
      `duplicates`, `near_duplicates` and `mirrored`, each with
      `within` {split: {`groups`, `images` in them, `surplus` = images - groups, `conflicts` =
      groups with more than one label}}, each group restricted to that split,
      `across` [{`a`, `b`, `groups` with images of both, `a_images`, `b_images` in these,
      `conflicts` = groups where a label in a differs from one in b}] for each pair of splits, and
      `groups` [[{`split`, `position`, `id`, `label`}]], label conflicts first. Each member in
      `mirrored` has a further field `mirrored`: whether it shows the mirror image of the group's
      first member. `near_duplicates` and `mirrored` also have `distance` and `correlation`.
    """
    images = [
        (name, int(position)) for name in statistics for position in statistics[name].positions
    ]
    _, distinct, distinct_of = np.unique(
        np.array([d for f in statistics.values() for d in f.digests], "S16").view("V16"),
        return_index=True,
        return_inverse=True,
    )
    hashes, mirrored_hashes, thumbnails = (
        np.concatenate([getattr(f, field) for f in statistics.values()])[distinct]
        for field in ("hashes", "mirrored", "thumbnails")
    )
    thumbnails = thumbnails.astype(np.float32)
    near = find_near_pairs(hashes, thumbnails, distance, correlation)
    mirrored = find_mirrored_pairs(hashes, mirrored_hashes, thumbnails, distance, correlation)
    mirror_group, mirror_side = group_mirrored(len(distinct), near, mirrored)
    limits = {"distance": distance, "correlation": correlation}
    near_group = connected_components(len(distinct), near)
    return {
        "duplicates": _summarise(bundle, images, distinct_of),
        "near_duplicates": {**limits, **_summarise(bundle, images, near_group[distinct_of])},
        "mirrored": {
            **limits,
            **summarise_mirrored(
                bundle, images, mirror_group[distinct_of], mirror_side[distinct_of]
            ),
        },
    }


def _summarise(
    bundle: DatasetBundle, images: Sequence[tuple[str, int]], group_of: np.ndarray
) -> dict[str, Any]:
    """Returns `within`, `across` and `groups` of `summarise_duplicates`."""
    groups = [group_members(bundle, images, group) for group in groups_from_ids(group_of)]
    parts = [
        {
            name: [member["label"] for member in group if member["split"] == name]
            for name in bundle.splits
        }
        for group in groups
    ]
    within = {name: [part[name] for part in parts] for name in bundle.splits}
    return {
        "within": {
            name: count_within([labels for labels in label_lists if len(labels) > 1])
            for name, label_lists in within.items()
        },
        "across": [
            count_across(a, b, [(part[a], part[b]) for part in parts if part[a] and part[b]])
            for a, b in combinations(bundle.splits, 2)
        ],
        "groups": conflicts_first(groups),
    }
