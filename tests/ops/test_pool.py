"""Max pooling against XLA's reduce_window."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from ferjax.ops.pool import max_pool


def reference(x: jax.Array, window: int) -> jax.Array:
    shape = (1, window, window, 1)
    return lax.reduce_window(x, -np.inf, lax.max, shape, shape, "VALID")


def tie_free(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Returns distinct values, so that the maximum's gradient has one place to go."""
    return np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape).astype("f")


@settings(max_examples=6, deadline=None)
@given(
    batch=st.integers(1, 3),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    channels=st.integers(1, 3),
    window=st.integers(1, 4),
)
def test_equals_reduce_window(
    batch: int, rows: int, columns: int, channels: int, window: int
) -> None:
    x = tie_free((batch, rows * window, columns * window, channels), seed=window)
    pooled, pull = jax.vjp(lambda x: max_pool(x, window), x)
    expected, pull_expected = jax.vjp(lambda x: reference(x, window), x)
    np.testing.assert_array_equal(pooled, expected)
    weights = tie_free(pooled.shape, seed=1)
    np.testing.assert_array_equal(*pull(weights), *pull_expected(weights))


def test_ties_share_the_gradient() -> None:
    x = np.array([[3.0, 3.0], [1.0, 3.0]], np.float32).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: max_pool(x, 2).sum())(x)
    np.testing.assert_allclose(np.ravel(gradient), [1 / 3, 1 / 3, 0, 1 / 3], rtol=1e-6)


def test_under_jit_and_vmap() -> None:
    x = tie_free((5, 2, 6, 4, 3))
    mapped = jax.jit(jax.vmap(lambda x: max_pool(x, 2)))(x)
    np.testing.assert_array_equal(mapped, np.stack([reference(one, 2) for one in x]))


@pytest.mark.parametrize("shape", [(1, 5, 4, 1), (1, 4, 5, 1), (1, 1, 1, 1)])
def test_window_must_divide(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"window 2 .* {shape[1]}x{shape[2]}"):
        max_pool(np.zeros(shape, np.float32), 2)
