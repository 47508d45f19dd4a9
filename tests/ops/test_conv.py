"""Linen's convolution with ferjax's custom implementations against the same with XLA's."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ferjax.bench.scaling.hlo_collectives import ALL_REDUCE, read_collectives
from ferjax.models.layers import Conv
from ferjax.ops import conv
from ferjax.ops.choose_implementation import plain_implementations
from ferjax.runtime.sharding import batch_sharded, data_mesh, replicated


def arrays(batch: int, sides: tuple[int, int], channels: int, kernel: tuple[int, ...]) -> tuple:
    """Returns map and kernel of whole numbers, whose sums are exact in any order."""
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, (batch, *sides, channels)).astype(np.float32)
    return x, rng.integers(-3, 4, kernel).astype(np.float32)


def value_and_gradients(layer: Any, x: jax.Array, kernel: jax.Array) -> tuple:
    """Returns the value and the gradients of its sum weighted by whole numbers, under jit."""

    def loss(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = layer.apply({"params": {"kernel": kernel}}, x)
        weights = np.random.default_rng(1).integers(-2, 3, y.shape).astype(y.dtype)
        return (y * weights).sum(), y

    gradients, y = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(x, kernel)
    return y, gradients


@settings(max_examples=8, deadline=None)
@given(
    batch=st.integers(1, 3),
    # Maps smaller than the kernel too.
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.sampled_from([1, 3, 16, 17]),
    k=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3])),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.sampled_from(["SAME", "VALID", 1, ((0, 1), (2, 0))]),
)
def test_equals_linen(
    batch: int,
    sides: tuple[int, int],
    channels: int,
    k: tuple[int, int],
    strides: tuple[int, int],
    padding: str | int,
) -> None:
    padded = {"VALID": (0, 0), 1: (2, 2), ((0, 1), (2, 0)): (1, 2)}.get(padding, k)
    assume(all(side + pad >= size for side, pad, size in zip(sides, padded, k, strict=True)))
    x, kernel = arrays(batch, sides, channels, (*k, channels, 4))
    fields = {"kernel_size": k, "strides": strides, "padding": padding, "use_bias": False}
    actual, expected = (
        value_and_gradients(layer(4, **fields), x, kernel) for layer in (Conv, nn.Conv)
    )
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


@pytest.mark.parametrize(
    "fields",
    [{"kernel_dilation": 2}, {"input_dilation": 2}, {"feature_group_count": 2}],
    ids=["kernel dilation", "input dilation", "groups"],
)
def test_dilation_and_groups_use_xla(fields: dict[str, int]) -> None:
    groups = fields.get("feature_group_count", 1)
    x, kernel = arrays(2, (8, 8), 32, (3, 3, 32 // groups, 4))
    fields = {"kernel_size": (3, 3), "padding": 1, "use_bias": False, **fields}
    actual, expected = (
        value_and_gradients(layer(4, **fields), x, kernel) for layer in (Conv, nn.Conv)
    )
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


# Implementation, by its name in `ops/conv.py` → sides of the map, channels, stride.
IMPLEMENTATIONS = {
    "one_channel_conv": ((7, 6), 1, 1),
    "small_map_conv": ((2, 2), 16, 1),
    "_transposed_input_conv": ((6, 6), 16, 2),
}


@pytest.mark.parametrize("way", ["float32", "bfloat16", "vmap and remat", "sharded batch"])
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_each_implementation_equals_linen(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    for other in IMPLEMENTATIONS:
        monkeypatch.setattr(conv, other, recorded(getattr(conv, other), other, taken))
    sides, channels, stride = IMPLEMENTATIONS[name]
    x, kernel = arrays(8, sides, channels, (3, 3, channels, 4))
    fields: dict[str, Any] = {"kernel_size": (3, 3), "strides": stride, "use_bias": False}
    expected = value_and_gradients(nn.Conv(4, **fields), x, kernel)
    assert not taken
    if way == "bfloat16":
        layer = Conv(4, **fields, dtype=jnp.bfloat16)
        half = (jnp.asarray(each, jnp.bfloat16) for each in (x, kernel))
        actual = value_and_gradients(layer, *half)
        for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
            assert a.dtype == jnp.bfloat16
            # bfloat16 has eight bits; partial sums of gradients are rounded, too.
            np.testing.assert_allclose(a.astype(np.float32), b, atol=0.02 * np.abs(b).max())
    else:
        layer = Conv(4, **fields)
        if way == "sharded batch":
            mesh = data_mesh()
            placed = (
                jax.device_put(x, batch_sharded(mesh)),
                jax.device_put(kernel, replicated(mesh)),
            )
            actual = value_and_gradients(layer, *placed)
            # The gradient of the map follows from the weights alone, which are not sharded.
            assert {shard.data.shape[0] for shard in actual[0].addressable_shards} == {2}
        elif way == "vmap and remat":
            actual = value_and_gradients(one_image_at_a_time(layer), x, kernel)
        else:
            actual = value_and_gradients(layer, x, kernel)
        jax.tree.map(np.testing.assert_array_equal, actual, expected)
    assert {*taken} == {name}


def recorded(function: Callable[..., Any], name: str, names: list[str]) -> Callable[..., Any]:
    """Returns the function, whose calls append its name to a list."""

    def call(*arguments: Any) -> Any:
        names.append(name)
        return function(*arguments)

    return call


def one_image_at_a_time(layer: nn.Module) -> Any:
    """Returns an object with the layer's `apply`, mapped over the images and rematerialised."""

    def apply(variables: Any, x: jax.Array) -> jax.Array:
        one = jax.checkpoint(lambda image: layer.apply(variables, image[None])[0])
        return jax.vmap(one)(x)

    return SimpleNamespace(apply=apply)


def test_a_small_map_of_a_sharded_batch_keeps_its_sharding() -> None:
    x, kernel = arrays(8, (2, 2), 16, (3, 3, 16, 4))
    layer, mesh = Conv(4, (3, 3), use_bias=False), data_mesh()
    placed = (jax.device_put(x, batch_sharded(mesh)), jax.device_put(kernel, replicated(mesh)))

    def loss(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return (layer.apply({"params": {"kernel": kernel}}, x) ** 2).sum()

    program = jax.jit(jax.grad(loss, (0, 1))).lower(*placed).compile()
    moves = read_collectives(program.as_text(), mesh.size)
    assert {move.kind for move in moves} == {ALL_REDUCE}
    assert sum(move.payload for move in moves) == 4 * kernel.size


def test_the_input_is_transposed_in_a_loop_unless_switched_off() -> None:
    x, kernel = arrays(2, (6, 6), 16, (3, 3, 16, 4))
    layer = Conv(4, (3, 3), use_bias=False)
    gradient = lambda k: jax.grad(lambda k: layer.apply({"params": {"kernel": k}}, x).sum())(k)  # noqa: E731
    assert "scan" in str(jax.make_jaxpr(gradient)(kernel))
    with plain_implementations():
        assert "scan" not in str(jax.make_jaxpr(lambda k: gradient(k))(kernel))
