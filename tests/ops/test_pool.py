"""Max pooling against XLA's reduce_window."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import export, lax

from ferjax.models.layers import Conv
from ferjax.ops.choose_implementation import plain_implementations
from ferjax.ops.pool import max_pool
from ferjax.runtime.sharding import batch_sharded, data_mesh


def reference(x: jax.Array, window: int, stride: int, padding: int) -> jax.Array:
    edge = (padding, padding)
    pads = ((0, 0), edge, edge, (0, 0))
    shape, steps = (1, window, window, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, np.array(-np.inf, x.dtype), lax.max, shape, steps, pads)


def value_and_gradient(
    pool: Callable[[jax.Array], jax.Array], x: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns the value and the gradient of its sum weighted by whole numbers, under jit."""

    def loss(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = pool(x)
        weights = np.random.default_rng(1).integers(-3, 4, y.shape).astype(x.dtype)
        return (y * weights).sum(), y

    gradient, y = jax.jit(jax.grad(loss, has_aux=True))(x)
    return y, gradient


def check(x: jax.Array, window: int, stride: int, padding: int) -> None:
    found = value_and_gradient(partial(max_pool, window=window, stride=stride, padding=padding), x)
    expected = value_and_gradient(lambda x: reference(x, window, stride, padding), x)
    assert found[0].dtype == found[1].dtype == x.dtype
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@settings(max_examples=8, deadline=None)
@given(
    batch=st.integers(1, 3),
    extra=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    channels=st.integers(1, 3),
    window=st.integers(1, 9),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
    ties=st.booleans(),
)
def test_equals_reduce_window(
    batch: int,
    extra: tuple[int, int],
    channels: int,
    window: int,
    stride: int,
    padding: int,
    ties: bool,
) -> None:
    """With only three different values most windows contain ties: the first gets the gradient."""
    shape = (batch, window + extra[0], window + extra[1], channels)
    rng = np.random.default_rng(window)
    x = rng.integers(0, 3, shape) if ties else rng.permutation(np.prod(shape)).reshape(shape)
    check(x.astype(np.float32), window, stride, min(padding, window - 1))


@pytest.mark.parametrize(
    ("window", "stride", "padding", "dtype"),
    [
        *[(2, 2, 0, jnp.bfloat16), (3, 2, 1, jnp.bfloat16), (3, 2, 1, jnp.float16)],
        pytest.param(2, 2, 0, jnp.float16, marks=pytest.mark.slow),
        pytest.param(2, 2, 0, jnp.float32, marks=pytest.mark.slow),
        pytest.param(3, 2, 1, jnp.float32, marks=pytest.mark.slow),
    ],
)
def test_dtypes(window: int, stride: int, padding: int, dtype: jnp.dtype) -> None:
    x = jnp.asarray(np.random.default_rng(0).integers(-9, 9, (2, 12, 10, 3)), dtype)
    check(x, window, stride, padding)


def test_disjoint_windows_are_the_default() -> None:
    x = np.random.default_rng(0).standard_normal((2, 8, 4, 3), np.float32)
    np.testing.assert_array_equal(max_pool(x, 4), reference(x, 4, 4, 0))


@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1)])
def test_a_nan_is_propagated(window: int, stride: int, padding: int) -> None:
    for position in np.ndindex(4, 4):
        x = np.ones((1, 4, 4, 1), np.float32)
        x[0, *position, 0] = np.nan
        found = max_pool(x, window, stride=stride, padding=padding)
        expected = np.isnan(reference(x, window, stride, padding))
        np.testing.assert_array_equal(np.isnan(found), expected)


def test_behind_a_fused_batch_norm() -> None:
    """XLA may compute a fused value twice, with different rounding: no gradient may get lost."""
    conv = Conv(8, (3, 3), name="conv")
    x = np.random.default_rng(0).standard_normal((4, 12, 12, 3), np.float32)
    rng = np.random.default_rng(1)
    layer = {"kernel": rng.standard_normal((3, 3, 3, 8), np.float32), "bias": np.zeros(8, "f")}

    def loss(pool: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
        y = conv.apply({"params": layer}, x)
        y = (y - y.mean((0, 1, 2), keepdims=True)) / jnp.sqrt(y.var((0, 1, 2), keepdims=True))
        return (pool(jax.nn.relu(y)) ** 2).sum()

    pools = (lambda x: max_pool(x, 2), lambda x: reference(x, 2, 2, 0))
    found, expected = (jax.jit(jax.grad(partial(loss, pool)))(x) for pool in pools)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_under_vmap_remat_and_a_batch_sharded_mesh() -> None:
    x = np.random.default_rng(0).integers(0, 9, (8, 6, 4, 3)).astype(np.float32)
    pool = lambda x: max_pool(x, 3, stride=2, padding=1)  # noqa: E731
    value, gradient = value_and_gradient(lambda x: reference(x, 3, 2, 1), x)
    one = jax.vmap(lambda x: jax.checkpoint(pool)(x[None])[0])
    jax.tree.map(np.testing.assert_array_equal, value_and_gradient(one, x), (value, gradient))
    placed = jax.device_put(x, batch_sharded(data_mesh()))
    found = value_and_gradient(pool, placed)
    jax.tree.map(np.testing.assert_array_equal, found, (value, gradient))
    text = jax.jit(jax.grad(lambda x: pool(x).sum())).lower(placed).compile().as_text()
    assert "all-gather" not in text
    assert "select-and-scatter" not in text


def test_the_plain_implementation_can_be_chosen() -> None:
    x = np.ones((1, 4, 4, 1), np.float32)
    with plain_implementations():
        assert "reduce_window" in str(jax.make_jaxpr(lambda x: max_pool(x, 2))(x))
    assert "reduce_window" not in str(jax.make_jaxpr(lambda x: max_pool(x, 2))(x))


@pytest.mark.parametrize("shape", [(1, 5, 4, 1), (1, 4, 5, 1), (1, 1, 1, 1)])
def test_window_must_divide(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"window 2 .* {shape[1]}x{shape[2]}"):
        max_pool(np.zeros(shape, np.float32), 2)


@pytest.mark.parametrize(("platform", "passes"), [("cpu", 2), ("cuda", 1), ("tpu", 1)])
def test_plain_form_is_of_the_platform_that_it_is_exported_for(platform: str, passes: int) -> None:
    """Only XLA's CPU maxima pass over NaN, wherever the program was traced."""
    with plain_implementations():
        pool = jax.jit(lambda x: max_pool(x, 2))
        exported = export.export(pool, platforms=[platform])(jnp.zeros((1, 4, 4, 1)))
    assert exported.mlir_module().count("stablehlo.reduce_window") == passes


@pytest.mark.parametrize(
    ("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (2, 3, 0), (5, 1, 3), (8, 8, 0)]
)
@pytest.mark.parametrize("form", ["linen", "linen_edge"])
def test_linens_form_has_the_same_maxima(window: int, stride: int, padding: int, form: str) -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 16, 24, 3)) - 5, jnp.float32)
    with plain_implementations(pools=form):
        y = max_pool(x, window, stride=stride, padding=padding)
    np.testing.assert_array_equal(y, reference(x, window, stride, padding))
