"""Depthwise convolution by shifted multiply-adds against XLA's grouped convolution."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.models.layers import Conv
from ferjax.ops.choose_implementation import plain_implementations
from ferjax.ops.depthwise import depthwise_conv, depthwise_conv_plain
from ferjax.runtime.sharding import batch_sharded, data_mesh, replicated

Arrays = tuple[np.ndarray, np.ndarray]


def arrays(batch: int, sides: tuple[int, int], channels: int, k: int) -> Arrays:
    """Returns map and kernel of whole numbers, whose sums are exact in any order."""
    rng = np.random.default_rng(k)
    x, kernel = (rng.integers(-3, 4, s) for s in ((batch, *sides, channels), (k, k, 1, channels)))
    return x.astype(np.float32), kernel.astype(np.float32)


def value_and_gradients(conv: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array) -> tuple:
    """Returns the value and the gradients of its sum weighted by whole numbers, under jit."""

    def loss(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = conv(x, kernel)
        weights = np.random.default_rng(1).integers(-2, 3, y.shape).astype(y.dtype)
        return (y * weights).sum(), y

    gradients, y = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(x, kernel)
    return y, gradients


@settings(max_examples=6, deadline=None)
@given(
    batch=st.sampled_from([1, 2, 3, 4, 8]),
    sides=st.tuples(st.integers(5, 33), st.integers(5, 12)),
    channels=st.integers(1, 5),
    k=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.tuples(
        st.tuples(st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.integers(0, 2), st.integers(0, 2)),
    ),
)
def test_equals_the_grouped_convolution(
    batch: int,
    sides: tuple[int, int],
    channels: int,
    k: int,
    stride: int,
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    x, kernel = arrays(batch, sides, channels, k)
    found, expected = (
        value_and_gradients(partial(conv, stride=stride, padding=padding), x, kernel)
        for conv in (depthwise_conv, depthwise_conv_plain)
    )
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize(
    ("k", "padding", "side"),
    [
        *[(3, "SAME", 12), (3, "torch", 12), (5, "SAME", 12), (5, "torch", 12), (3, "SAME", 13)],
        pytest.param(3, "torch", 13, marks=pytest.mark.slow),
        pytest.param(5, "SAME", 13, marks=pytest.mark.slow),
        pytest.param(5, "torch", 13, marks=pytest.mark.slow),
    ],
)
def test_both_padding_conventions_through_linen(k: int, padding: str, side: int) -> None:
    """At stride 2 SAME pads an even map at its end only, torch on both sides."""
    x, kernel = arrays(2, (side, side), 6, k)
    fields = {
        "features": 6,
        "kernel_size": (k, k),
        "strides": 2,
        "padding": padding if padding == "SAME" else k // 2,
        "feature_group_count": 6,
        "use_bias": False,
    }
    apply = lambda layer, x, kernel: layer.apply({"params": {"kernel": kernel}}, x)  # noqa: E731
    found = value_and_gradients(partial(apply, Conv(**fields)), x, kernel)
    expected = value_and_gradients(partial(apply, nn.Conv(**fields)), x, kernel)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    program = jax.make_jaxpr(partial(apply, Conv(**fields)))(x, kernel)
    assert "conv_general_dilated" not in str(program)


def test_half_precision_sums_in_float32() -> None:
    x, kernel = (jnp.asarray(a, jnp.bfloat16) for a in arrays(4, (9, 9), 3, 3))
    conv = partial(depthwise_conv, stride=1, padding=((1, 1), (1, 1)))
    y, gradients = value_and_gradients(conv, x, kernel)
    value, expected = value_and_gradients(conv, x.astype("f"), kernel.astype("f"))
    assert all(a.dtype == jnp.bfloat16 for a in (y, *gradients))
    for found, wanted in zip((y, *gradients), (value, *expected), strict=True):
        np.testing.assert_array_equal(found, wanted.astype(jnp.bfloat16))


def test_under_vmap_remat_and_a_batch_sharded_mesh() -> None:
    x, kernel = arrays(8, (10, 6), 3, 3)
    conv = partial(depthwise_conv, stride=2, padding=((1, 1), (1, 1)))
    expected = value_and_gradients(conv, x, kernel)
    one = lambda x, kernel: jax.checkpoint(conv)(x[None], kernel)[0]  # noqa: E731
    found = value_and_gradients(jax.vmap(one, (0, None)), x, kernel)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    mesh = data_mesh()
    placed = (jax.device_put(x, batch_sharded(mesh)), jax.device_put(kernel, replicated(mesh)))
    jax.tree.map(np.testing.assert_array_equal, value_and_gradients(conv, *placed), expected)
    gradient = jax.jit(jax.grad(lambda *a: (conv(*a) ** 2).sum(), (0, 1)))
    text = gradient.lower(*placed).compile().as_text()
    assert not {move for move in ("all-gather", "all-to-all") if move in text}


def test_the_plain_implementation_can_be_chosen() -> None:
    x, kernel = arrays(1, (5, 5), 2, 3)
    conv = lambda x: depthwise_conv(x, kernel, stride=1, padding=((1, 1), (1, 1)))  # noqa: E731
    with plain_implementations():
        assert "feature_group_count=2" in str(jax.make_jaxpr(conv)(x))
