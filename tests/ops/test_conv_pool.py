"""Convolution + bias + ReLU + max pool, tiled and plain, against the four steps one by one."""

from collections.abc import Callable, Iterator
from functools import partial
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from jax.extend.core import Jaxpr, jaxprs_in_params
from jax.sharding import PartitionSpec

from ferjax.bench.scaling.hlo_collectives import ALL_REDUCE, read_collectives
from ferjax.ops import conv_pool_tiles
from ferjax.ops.choose_implementation import plain_implementations
from ferjax.ops.conv_pool import conv_relu_max_pool, conv_relu_max_pool_plain
from ferjax.ops.conv_pool_tiles import tiled_conv_relu_max_pool
from ferjax.runtime.sharding import batch_sharded, data_mesh, replicated

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
FORMS = [
    tiled_conv_relu_max_pool,
    lambda x, kernel, bias, window: conv_relu_max_pool_plain(x, kernel, bias, window=window),
]
both_forms = pytest.mark.parametrize("form", FORMS, ids=["tiled", "plain"])


def convolved(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    dims = ("NHWC", "HWIO", "NHWC")
    return (
        lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
        + bias[None, None, None]
    )


def reference(x: jax.Array, kernel: jax.Array, bias: jax.Array, window: int) -> jax.Array:
    y = jax.nn.relu(convolved(x, kernel, bias))
    shape = (1, window, window, 1)
    return lax.reduce_window(y, -np.inf, lax.max, shape, shape, "VALID")


def arrays(
    shape: tuple[int, ...], features: int, *, k: int = 3, seed: int = 0, whole: bool = False
) -> Arrays:
    """Returns image, kernel and bias: normal floats, or whole numbers (exact sums, many ties)."""
    rng = np.random.default_rng(seed)
    shapes = (shape, (k, k, shape[-1], features), (features,))
    if whole:
        x, kernel, bias = (rng.integers(-2, 3, s).astype(np.float32) for s in shapes)
    else:
        x, kernel, bias = (rng.standard_normal(s, np.float32) for s in shapes)
    return x, kernel, bias


def value_and_gradients(
    form: Callable[..., jax.Array], inputs: Arrays, window: int, weights: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Returns the value, and the gradients of its weighted sum, under jit as in training."""

    def loss(*inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = form(*inputs, window)
        return (y * weights).sum(), y

    gradients, y = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(*inputs)
    return y, gradients


def windows(y: jax.Array, window: int) -> np.ndarray:
    """Returns [B, H / window, W / window, F, window²]."""
    b, h, w, f = y.shape
    grid = np.asarray(y).reshape(b, h // window, window, w // window, window, f)
    return grid.transpose(0, 1, 3, 5, 2, 4).reshape(b, h // window, w // window, f, -1)


shapes = {
    "batch": st.integers(1, 3),
    "rows": st.integers(1, 4),
    "columns": st.integers(1, 4),
    "window": st.integers(1, 9),
    "k": st.integers(1, 5),
    "channels": st.integers(1, 4),
    "features": st.integers(1, 6),
    "tile": st.sampled_from([1, 100, 8192]),
}


@settings(max_examples=4, deadline=None)
@given(**shapes)
def test_whole_numbers_full_of_ties_agree_exactly(
    batch: int,
    rows: int,
    columns: int,
    window: int,
    k: int,
    channels: int,
    features: int,
    tile: int,
) -> None:
    shape = (batch, rows * window, columns * window, channels)
    inputs = arrays(shape, features, k=k, seed=k, whole=True)
    weights = np.random.default_rng(1).integers(-3, 4, (batch, rows, columns, features))
    weights = weights.astype(np.float32)
    expected = value_and_gradients(reference, inputs, window, weights)
    with mock.patch.object(conv_pool_tiles, "_TILE_PIXELS", tile):
        for form in FORMS:
            found = value_and_gradients(form, inputs, window, weights)
            jax.tree.map(np.testing.assert_array_equal, found, expected)


@settings(max_examples=3, deadline=None)
@given(**shapes)
def test_floats_agree_outside_near_ties(
    batch: int,
    rows: int,
    columns: int,
    window: int,
    k: int,
    channels: int,
    features: int,
    tile: int,
) -> None:
    shape = (batch, rows * window, columns * window, channels)
    inputs = arrays(shape, features, k=k, seed=k)
    # Where the two largest values, or the largest and zero, differ by rounding only, both gradients
    # are correct.
    scores = np.sort(windows(convolved(*inputs), window), -1)
    clear = np.abs(scores[..., -1]) > 1e-5
    if window > 1:
        clear &= scores[..., -1] - scores[..., -2] > 1e-5
    weights = np.random.default_rng(1).standard_normal(clear.shape, np.float32) * clear
    value, gradients = value_and_gradients(reference, inputs, window, weights)
    with mock.patch.object(conv_pool_tiles, "_TILE_PIXELS", tile):
        y, found = value_and_gradients(tiled_conv_relu_max_pool, inputs, window, weights)
    np.testing.assert_allclose(y, value, rtol=1e-5, atol=1e-5)
    for a, b in zip(found, gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


def test_tiled_is_the_default_and_can_be_switched_off() -> None:
    inputs = arrays((1, 16, 16, 3), 4)
    run = partial(conv_relu_max_pool, window=8)
    assert "scan" in str(jax.make_jaxpr(run)(*inputs))
    with plain_implementations():
        assert "scan" not in str(jax.make_jaxpr(lambda *a: run(*a))(*inputs))


@both_forms
def test_a_window_below_zero_is_clipped_and_passes_no_gradient(form: Callable) -> None:
    inputs = np.ones((1, 4, 4, 1), "f"), -np.ones((3, 3, 1, 1), "f"), np.zeros(1, "f")
    y, gradients = value_and_gradients(form, inputs, 2, np.ones((1, 2, 2, 1), "f"))
    assert (y == 0).all()
    assert all((g == 0).all() for g in gradients)


@both_forms
def test_a_nan_reaches_the_windows_that_read_it(form: Callable) -> None:
    x, kernel, bias = arrays((2, 12, 12, 2), 3, whole=True)
    x[0, 4, 7, 1] = np.nan  # in the window of rows 4-7, columns 4-7; read from row 3 and column 8
    expected = np.isnan(reference(x, kernel, bias, 4))
    assert expected.sum() == 4 * 3
    y, gradients = value_and_gradients(form, (x, kernel, bias), 4, np.ones(expected.shape, "f"))
    np.testing.assert_array_equal(np.isnan(y), expected)
    # As with a separate ReLU: no gradient flows back to the NaN.
    assert np.isfinite(gradients[0]).all()


@both_forms
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision(form: Callable, dtype: jnp.dtype) -> None:
    inputs = [jnp.asarray(a, dtype) for a in arrays((2, 16, 16, 3), 4, whole=True)]
    weights = jnp.ones((2, 2, 2, 4), dtype)
    y, gradients = value_and_gradients(form, inputs, 8, weights)
    value, expected = value_and_gradients(
        reference, [a.astype("f") for a in inputs], 8, weights.astype("f")
    )
    assert all(a.dtype == dtype for a in (y, *gradients))
    # Whole numbers this small are exact in half precision too.
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a.astype("f"), b), y, value)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_array_equal(found.astype("f"), wanted)


def test_double_precision() -> None:
    with jax.enable_x64(True):
        inputs = [a.astype(np.float64) for a in arrays((2, 16, 8, 3), 4)]
        found = value_and_gradients(tiled_conv_relu_max_pool, inputs, 8, np.ones((2, 2, 1, 4)))
        expected = value_and_gradients(reference, inputs, 8, np.ones((2, 2, 1, 4)))
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12), found, expected)


def test_under_vmap_of_images_and_of_kernels() -> None:
    x, kernel, bias = arrays((3, 2, 16, 16, 2), 4, whole=True)
    loss = lambda *a: (tiled_conv_relu_max_pool(*a, 8) ** 2).sum()  # noqa: E731
    wanted = lambda *a: (reference(*a, 8) ** 2).sum()  # noqa: E731
    kernels, biases = np.stack([kernel, -kernel, kernel + 1]), np.stack([bias, bias + 1, -bias])
    for axes, inputs in (
        ((0, None, None), (x, kernel, bias)),
        ((None, 0, 0), (x[0], kernels, biases)),
        ((0, 0, 0), (x, kernels, biases)),
    ):
        found, expected = (
            jax.jit(jax.vmap(jax.grad(f, (0, 1, 2)), axes))(*inputs) for f in (loss, wanted)
        )
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_under_remat_and_scan() -> None:
    x, kernel, bias = arrays((3, 2, 16, 16, 2), 4, whole=True)

    def loss(form: Callable[..., jax.Array], *inputs: jax.Array) -> jax.Array:
        step = jax.checkpoint(lambda total, x: (total + form(x, *inputs, 8).sum(), None))
        return lax.scan(step, jnp.zeros(()), x)[0]

    found = jax.jit(jax.grad(partial(loss, tiled_conv_relu_max_pool), (0, 1)))(kernel, bias)
    expected = jax.jit(jax.grad(partial(loss, reference), (0, 1)))(kernel, bias)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_sharded_batch_keeps_its_sharding() -> None:
    mesh = data_mesh()
    # Four tiles.
    inputs = arrays((8, 64, 64, 3), 4, whole=True)
    spread = [batch_sharded(mesh), replicated(mesh), replicated(mesh)]
    placed = [jax.device_put(a, s) for a, s in zip(inputs, spread, strict=True)]

    def value_and_gradient(*inputs: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        y, pull = jax.vjp(lambda *a: tiled_conv_relu_max_pool(*a, 16), *inputs)
        return y, pull(jnp.ones_like(y))

    program = jax.jit(value_and_gradient).lower(*placed).compile()
    assert mesh.size == 4
    # The gradients of kernel and bias are summed over the devices, once, not a tile at a time.
    moves = read_collectives(program.as_text(), mesh.size)
    assert {(move.kind, move.times) for move in moves} == {(ALL_REDUCE, 1)}
    assert sum(move.payload for move in moves) == 4 * (inputs[1].size + inputs[2].size)
    y, gradients = program(*placed)
    assert y.sharding.spec == gradients[0].sharding.spec == PartitionSpec("data")
    expected = value_and_gradients(reference, inputs, 16, np.ones(y.shape, "f"))
    jax.tree.map(np.testing.assert_array_equal, (y, gradients), expected)


def shapes_of_values(jaxpr: Jaxpr) -> Iterator[tuple[int, ...]]:
    """Yields the shape of every intermediate value, including those of inner programs."""
    for equation in jaxpr.eqns:
        yield from (variable.aval.shape for variable in equation.outvars)
        for inner in jaxprs_in_params(equation.params):
            yield from shapes_of_values(inner)


def test_the_full_map_never_exists() -> None:
    """The size that Awei uses: 224 px, batch 8, 512 filters; compiled, not run."""
    shapes = ((8, 224, 224, 3), (3, 3, 3, 512), (512,))
    inputs = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    full = 8 * 224 * 224 * 512

    def gradient(form: Callable[..., jax.Array]) -> Callable[..., tuple[jax.Array, ...]]:
        return jax.jit(jax.grad(lambda *a: form(*a, window=32).sum(), (1, 2)))

    jaxpr = jax.make_jaxpr(gradient(conv_relu_max_pool))(*inputs)
    assert max(int(np.prod(shape)) for shape in shapes_of_values(jaxpr.jaxpr)) <= full / 40
    tiled, plain = (
        gradient(form).lower(*inputs).compile()
        for form in (conv_relu_max_pool, conv_relu_max_pool_plain)
    )
    assert "224,224,512" not in tiled.as_text()
    assert "224,224,512" in plain.as_text()
    tiled_bytes, plain_bytes = (p.memory_analysis().temp_size_in_bytes for p in (tiled, plain))
    assert tiled_bytes <= plain_bytes / 15


def test_window_must_divide() -> None:
    with pytest.raises(ValueError, match="window 3 does not divide the 8x8 map"):
        conv_relu_max_pool(*arrays((1, 8, 8, 3), 2), window=3)
