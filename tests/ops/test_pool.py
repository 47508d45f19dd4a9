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


@settings(max_examples=5, deadline=None)
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
    weights = tie_free((batch, rows, columns, channels), seed=1)
    found, expected = (
        jax.jit(jax.grad(lambda x, pool=pool: (pool(x, window) * weights).sum()))(x)
        for pool in (max_pool, reference)
    )
    np.testing.assert_array_equal(max_pool(x, window), reference(x, window))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("window", [2, 3, 4])
def test_of_equal_maxima_the_first_gets_the_gradient(window: int) -> None:
    x = np.random.default_rng(window).integers(0, 3, (4, 12, 12, 2)).astype("f")
    gradient = jax.grad(lambda x: max_pool(x, window).sum())(x)
    expected = jax.grad(lambda x: reference(x, window).sum())(x)
    np.testing.assert_array_equal(gradient, expected)


def test_a_nan_is_passed_on() -> None:
    for place in np.ndindex(2, 2):
        x = np.ones((1, 2, 2, 1), np.float32)
        x[0, *place, 0] = np.nan
        assert np.isnan(max_pool(x, 2)).all()


def test_under_jit_and_vmap() -> None:
    x = tie_free((5, 2, 6, 4, 3))
    mapped = jax.jit(jax.vmap(lambda x: max_pool(x, 2)))(x)
    np.testing.assert_array_equal(mapped, np.stack([reference(one, 2) for one in x]))


@pytest.mark.parametrize("shape", [(1, 5, 4, 1), (1, 4, 5, 1), (1, 1, 1, 1)])
def test_window_must_divide(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"window 2 .* {shape[1]}x{shape[2]}"):
        max_pool(np.zeros(shape, np.float32), 2)
