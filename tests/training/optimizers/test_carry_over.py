"""What optimizer state is kept from one phase to the next: over any two trees."""

from typing import Any

import jax
import numpy as np
import optax
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.training.optimizers.optax_optimizers import carry_over

LEAVES = st.builds(
    lambda shape, dtype, value: np.full(shape, value, dtype),
    st.sampled_from([(), (2,), (2, 1)]),
    st.sampled_from([np.float32, np.int32]),
    st.integers(0, 99),
)
TREES = st.recursive(
    st.one_of(LEAVES, st.builds(optax.MaskedNode), st.builds(optax.EmptyState)),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        st.tuples(inner, inner),
        st.builds(optax.TraceState, inner),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(old=TREES, new=TREES)
def test_what_fits_is_carried_over(old: Any, new: Any) -> None:
    carried = carry_over(old, new)
    assert jax.tree.structure(carried) == jax.tree.structure(new)
    kept = {str(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(old)}
    for path, leaf in jax.tree_util.tree_leaves_with_path(new):
        found = kept.get(str(path), leaf)
        fits = (found.shape, found.dtype) == (leaf.shape, leaf.dtype)
        after = carried
        for entry in path:
            after = step_into(after, entry)
        np.testing.assert_array_equal(after, found if fits else leaf)


def step_into(tree: Any, entry: Any) -> Any:
    if isinstance(entry, jax.tree_util.GetAttrKey):
        return getattr(tree, entry.name)
    return tree[entry.key if isinstance(entry, jax.tree_util.DictKey) else entry.idx]
