"""Trees of variables by flat path (stage1_block0/conv1/kernel): flatten, split, merge."""

import re
from collections.abc import Mapping
from typing import Any

from flax import traverse_util


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns path → leaf of a nested mapping, without empty branches."""
    return traverse_util.flatten_dict(dict(tree), sep="/")


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nested dict of a mapping path → leaf."""
    return traverse_util.unflatten_dict(dict(flat), sep="/")


def split_tree(
    tree: Mapping[str, Any], pattern: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns two trees: leaves whose path does not match the pattern, and leaves that match.

    Args:
      tree: nested mapping.
      pattern: regular expression for the whole path; None matches nothing.
    """
    if pattern is None:
        return dict(tree), {}
    flat = flatten(tree)
    matched = {path: leaf for path, leaf in flat.items() if re.fullmatch(pattern, path)}
    rest = {path: leaf for path, leaf in flat.items() if path not in matched}
    return unflatten(rest), unflatten(matched)


def merge_trees(*trees: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one tree with the leaves of all; the last tree with a path determines its leaf."""
    merged: dict[str, Any] = {}
    for tree in trees:
        merged |= flatten(tree)
    return unflatten(merged)
