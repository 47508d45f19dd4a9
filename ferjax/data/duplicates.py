"""Which pictures occur more than once, within and across splits, and under which labels."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from ferjax.data.near_duplicates import connected, near_pairs
from ferjax.data.pixel_facts import PixelFacts
from ferjax.data.split import DatasetBundle


def duplicate_facts(
    bundle: DatasetBundle, facts: Mapping[str, PixelFacts], distance: int, correlation: float
) -> dict[str, Any]:
    """Groups the images of all splits by picture.

    Exact duplicates have the same pixels. Near duplicates are the same or nearly so: linked by
    nearness, directly or through others. So they include the exact ones.

    Args:
      bundle: the data set.
      facts: of each of its splits.
      distance: bits of the perceptual hashes in which near pictures may differ.
      correlation: least correlation of their thumbnails.

    Returns:
      `duplicates` and `near_duplicates`, each with
      `within` {split: {`groups`, `images` in them, `surplus` = images - groups, `conflicts` =
      groups with more than one label}} of groups cut down to one split,
      `across` [{`a`, `b`, `groups` with images of both, `a_images`, `b_images` in those,
      `conflicts` = groups where a label in a differs from one in b}] for each two splits, and
      `groups` [[{`split`, `position`, `id`, `label`}]], label conflicts first. `near_duplicates`
      adds `distance` and `correlation`.
    """
    images = [(name, int(position)) for name in facts for position in facts[name].positions]
    _, first, picture = np.unique(
        np.array([d for f in facts.values() for d in f.digests], "S16").view("V16"),
        return_index=True,
        return_inverse=True,
    )
    hashes = np.concatenate([f.hashes for f in facts.values()])[first]
    small = np.concatenate([f.thumbnails for f in facts.values()])[first]
    pairs = near_pairs(hashes, small.astype(np.float32), distance, correlation)
    scene = connected(len(first), pairs)
    near = _summary(bundle, images, _groups(scene[picture]))
    return {
        "duplicates": _summary(bundle, images, _groups(picture)),
        "near_duplicates": {"distance": distance, "correlation": correlation, **near},
    }


def _groups(member_of: np.ndarray) -> list[np.ndarray]:
    """Returns the positions of each value of int [N] that occurs more than once."""
    order = np.argsort(member_of, kind="stable")
    cuts = np.flatnonzero(np.diff(member_of[order])) + 1
    groups = [group for group in np.split(order, cuts) if len(group) > 1]
    return sorted(groups, key=lambda group: group[0])


def _summary(
    bundle: DatasetBundle, images: list[tuple[str, int]], groups: list[np.ndarray]
) -> dict[str, Any]:
    """Returns `within`, `across` and `groups` of `duplicate_facts`."""
    listed = [[_member(bundle, *images[k]) for k in group] for group in groups]
    parts = [
        {name: [m["label"] for m in group if m["split"] == name] for name in bundle.splits}
        for group in listed
    ]
    listed.sort(key=lambda group: len({member["label"] for member in group}) == 1)
    return {
        "within": {name: _within([part[name] for part in parts]) for name in bundle.splits},
        "across": [_across(a, b, parts) for a, b in combinations(bundle.splits, 2)],
        "groups": listed,
    }


def _member(bundle: DatasetBundle, name: str, position: int) -> dict[str, Any]:
    split = bundle.splits[name]
    label = bundle.classes[split.labels[position]]
    return {"split": name, "position": position, "id": split.ids[position], "label": label}


def _within(groups: list[list[str]]) -> dict[str, int]:
    groups = [labels for labels in groups if len(labels) > 1]
    images = sum(map(len, groups))
    conflicts = sum(len(set(labels)) > 1 for labels in groups)
    return {
        "groups": len(groups),
        "images": images,
        "surplus": images - len(groups),
        "conflicts": conflicts,
    }


def _across(a: str, b: str, parts: list[dict[str, list[str]]]) -> dict[str, Any]:
    shared = [(part[a], part[b]) for part in parts if part[a] and part[b]]
    return {
        "a": a,
        "b": b,
        "groups": len(shared),
        "a_images": sum(len(x) for x, _ in shared),
        "b_images": sum(len(y) for _, y in shared),
        "conflicts": sum(len({*x, *y}) > 1 for x, y in shared),
    }
