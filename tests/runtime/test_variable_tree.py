"""Trees of variables by flat path: flatten, split by pattern, merge."""

import re
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ferjax.runtime.variable_tree import flatten, merge_trees, split_tree, unflatten

NAMES = st.sampled_from(["a", "b", "guide", "conv1"])
TREES = st.recursive(
    st.dictionaries(NAMES, st.integers(), min_size=1, max_size=3),
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=6,
)


@given(TREES)
def test_flat_paths_name_every_leaf(tree: dict[str, Any]) -> None:
    flat = flatten(tree)
    assert unflatten(flat) == tree
    for path, leaf in flat.items():
        branch: Any = tree
        for name in path.split("/"):
            branch = branch[name]
        assert branch == leaf


@given(TREES, st.sampled_from([None, "guide/.*", ".*conv1", "a", "nothing"]))
def test_splitting_matches_whole_paths_and_merging_is_its_inverse(
    tree: dict[str, Any], pattern: str | None
) -> None:
    rest, matched = split_tree(tree, pattern)
    assert merge_trees(rest, matched) == tree
    assert all(pattern and re.fullmatch(pattern, path) for path in flatten(matched))
    assert not any(pattern and re.fullmatch(pattern, path) for path in flatten(rest))


def test_the_last_leaf_of_a_path_counts() -> None:
    old, new = {"a": {"b": np.zeros(1)}, "c": 1}, {"a": {"b": 2}}
    assert merge_trees(old, new) == {"a": {"b": 2}, "c": 1}
