"""The fused convolution + bias + ReLU + max pool against the four operations written out."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from ferjax.ops.conv_pool import conv_relu_max_pool

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def literal(x: jax.Array, kernel: jax.Array, bias: jax.Array, window: int) -> jax.Array:
    dims = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
    y = jnp.maximum(y + bias[None, None, None], 0)
    return lax.reduce_window(
        y, -np.inf, lax.max, (1, window, window, 1), (1, window, window, 1), "VALID"
    )


def arrays(shape: tuple[int, ...], features: int, seed: int = 0) -> Arrays:
    """Returns random image, 3x3 kernel and bias; random floats leave no ties but those at 0."""
    rng = np.random.default_rng(seed)
    shapes = (shape, (3, 3, shape[-1], features), (features,))
    x, kernel, bias = (rng.standard_normal(s, np.float32) for s in shapes)
    return x, kernel, bias


@settings(max_examples=5, deadline=None)
@given(
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    window=st.sampled_from([1, 2, 4, 8]),
    channels=st.sampled_from([1, 3]),
    features=st.integers(1, 8),
)
def test_values_are_those_of_the_literal_form(
    rows: int, columns: int, window: int, channels: int, features: int
) -> None:
    inputs = arrays((2, rows * window, columns * window, channels), features)
    fused = conv_relu_max_pool(*inputs, window=window)
    np.testing.assert_array_equal(fused, literal(*inputs, window))


@pytest.mark.parametrize(("shape", "window"), [((2, 16, 16, 3), 8), ((1, 32, 64, 1), 32)])
def test_gradients(shape: tuple[int, ...], window: int) -> None:
    inputs = arrays(shape, 6)
    pooled = (shape[0], shape[1] // window, shape[2] // window, 6)
    weights = np.random.default_rng(1).standard_normal(pooled, np.float32)

    def gradients(form: Callable[..., jax.Array]) -> tuple[jax.Array, ...]:
        loss = lambda *a: (form(*a, window=window) * weights).sum()  # noqa: E731
        return jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(*inputs)

    for gradient, wanted in zip(gradients(conv_relu_max_pool), gradients(literal), strict=True):
        np.testing.assert_allclose(gradient, wanted, atol=1e-5 * np.abs(wanted).max())


def test_a_window_below_zero_is_clipped_and_passes_no_gradient() -> None:
    x, kernel, bias = np.ones((1, 4, 4, 1), "f"), -np.ones((3, 3, 1, 1), "f"), np.zeros(1, "f")
    run = lambda x: conv_relu_max_pool(x, kernel, bias, window=2)  # noqa: E731
    np.testing.assert_array_equal(run(x), np.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(jax.grad(lambda x: run(x).sum())(x), np.zeros_like(x))


def test_keeps_the_dtype_under_jit_and_vmap() -> None:
    x, kernel, bias = arrays((3, 8, 8, 3), 4)
    plain = conv_relu_max_pool(x, kernel, bias, window=4)
    one = lambda x: conv_relu_max_pool(x[None], kernel, bias, window=4)[0]  # noqa: E731
    np.testing.assert_allclose(jax.jit(jax.vmap(one))(x), plain, rtol=1e-5, atol=1e-5)
    half = (jnp.asarray(a, jnp.bfloat16) for a in (x, kernel, bias))
    assert conv_relu_max_pool(*half, window=4).dtype == jnp.bfloat16


def test_window_must_divide() -> None:
    with pytest.raises(ValueError, match="window 3 does not divide the 8x8 map"):
        conv_relu_max_pool(*arrays((1, 8, 8, 3), 2), window=3)
