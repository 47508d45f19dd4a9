"""NaN goes through every operation, forward and backward, at sizes that XLA vectorises."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.images.test_time_augmentation import averaged
from ferjax.models.layers import adaptive_mean_pool
from ferjax.ops.batch_norm import batch_norm, normalize
from ferjax.ops.choose_implementation import plain_implementations
from ferjax.ops.conv import conv_general_dilated
from ferjax.ops.conv_pool import conv_relu_max_pool, conv_relu_max_pool_plain
from ferjax.ops.conv_pool_tiles import tiled_conv_relu_max_pool
from ferjax.ops.depthwise import depthwise_conv, depthwise_conv_plain
from ferjax.ops.pool import max_pool, max_pool_plain
from ferjax.ops.small_map_conv import small_map_conv
from ferjax.runtime.programs.compiler_options import compiler_options
from ferjax.specs import InputSpec
from ferjax.training.losses import LOSSES

SAME = ((1, 1), (1, 1))
_DIMS = ("NHWC", "HWIO", "NHWC")


def _conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=_DIMS)


def _tta(logits: jax.Array) -> jax.Array:
    spec = InputSpec((8, 8), 8, 1, (0.0,), (1.0,))
    images = np.zeros((len(logits), 8, 8, 1), np.uint8)
    return averaged(lambda _: logits, images, spec, "flip")


# Name → function, shapes of its arguments: 4,096 values or more, from which jaxlib's own maximum
# is vectorised and passes over NaN.
OPERATIONS: dict[str, tuple[Callable[..., jax.Array], list[tuple[int, ...]]]] = {
    "jumper": (lambda *a: conv_relu_max_pool(*a, window=32), [(2, 64, 64, 3), (3, 3, 3, 8), (8,)]),
    "jumper, window of a prime": (
        lambda *a: tiled_conv_relu_max_pool(*a, 17),
        [(1, 34, 17, 3), (3, 3, 3, 16), (16,)],
    ),
    "jumper, plain": (
        lambda *a: conv_relu_max_pool_plain(*a, window=16),
        [(2, 64, 64, 3), (3, 3, 3, 8), (8,)],
    ),
    "max pool 2": (lambda x: max_pool(x, 2), [(2, 64, 64, 4)]),
    "max pool 3 with overlap": (
        lambda x: max_pool(x, 3, stride=2, padding=1),
        [(2, 64, 64, 4)],
    ),
    "max pool 16": (lambda x: max_pool(x, 16), [(2, 64, 64, 4)]),
    "max pool of all": (lambda x: max_pool(x, 64), [(2, 64, 64, 1)]),
    "max pool 2, plain": (lambda x: max_pool_plain(x, 2, stride=2), [(2, 64, 64, 4)]),
    "max pool 3 with overlap, plain": (
        lambda x: max_pool_plain(x, 3, stride=2, padding=1),
        [(2, 64, 64, 4)],
    ),
    "convolution": (_conv, [(2, 32, 32, 16), (3, 3, 16, 8)]),
    "convolution of few channels": (_conv, [(2, 64, 64, 1), (3, 3, 1, 8)]),
    "convolution of a small map": (
        lambda x, kernel: small_map_conv(x, kernel, (1, 1), SAME),
        [(64, 2, 2, 32), (3, 3, 32, 8)],
    ),
    "depthwise": (
        lambda x, kernel: depthwise_conv(x, kernel, stride=1, padding=SAME),
        [(2, 32, 32, 8), (3, 3, 1, 8)],
    ),
    "depthwise, plain": (
        lambda x, kernel: depthwise_conv_plain(x, kernel, stride=1, padding=SAME),
        [(2, 32, 32, 8), (3, 3, 1, 8)],
    ),
    "batch norm": (lambda *a: batch_norm(*a, 1e-5)[0], [(2, 64, 64, 4), (4,), (4,)]),
    "batch norm, statistics": (
        lambda x: batch_norm(x, x[0, 0, 0], x[0, 0, 0], 1e-5)[2],
        [(2, 64, 64, 4)],
    ),
    "normalize": (
        lambda x, mean, scale, bias: normalize(x, mean, scale**2, scale, bias, 1e-5),
        [(2, 64, 64, 4), (4,), (4,), (4,)],
    ),
    "mean pool": (lambda x: adaptive_mean_pool(x, 7), [(2, 64, 64, 4)]),
    "relu": (jax.nn.relu, [(8192,)]),
    "averaged views": (_tta, [(1024, 8)]),
}


def draw(shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [1 + rng.random(shape, np.float32) for shape in shapes]


def poisoned(array: np.ndarray, where: int) -> np.ndarray:
    array = array.copy()
    array.reshape(-1)[where] = np.nan
    return array


CASES = [(name, k) for name, (_, shapes) in OPERATIONS.items() for k in range(len(shapes))]


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_a_nan_in_any_argument_reaches_the_result(name: str, argument: int) -> None:
    function, shapes = OPERATIONS[name]
    arrays = draw(shapes)
    compiled = jax.jit(function)
    assert np.isfinite(compiled(*arrays)).all()
    size = arrays[argument].size
    for where in (0, size // 2 + 1, size - 1):
        found = [*arrays]
        found[argument] = poisoned(arrays[argument], where % size)
        assert np.isnan(compiled(*found)).any()
    found[argument] = np.full_like(arrays[argument], np.nan)
    assert np.isnan(compiled(*found)).all()


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "statistics" not in name])
def test_a_nan_from_above_reaches_every_gradient(name: str) -> None:
    function, shapes = OPERATIONS[name]
    y, back = jax.vjp(function, *map(jnp.asarray, draw(shapes)))
    back = jax.jit(back, compiler_options=compiler_options(jax.default_backend()))
    assert all(np.isfinite(g).all() for g in back(jnp.ones_like(y)))
    for where in (0, y.size - 1):
        gradient = poisoned(np.ones(y.shape, y.dtype), where)
        for found in back(gradient):
            assert np.isnan(found).any()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float64])
@pytest.mark.parametrize("name", ["jumper", "jumper, plain", "max pool 2", "max pool 16"])
def test_in_other_precisions(name: str, dtype: Any) -> None:
    function, shapes = OPERATIONS[name]
    with jax.enable_x64(dtype == jnp.float64):
        arrays = [jnp.asarray(a, dtype) for a in draw(shapes)]
        arrays[0] = arrays[0].at[0, 40, 3].set(jnp.nan)
        y = jax.jit(function)(*arrays)
        assert y.dtype == dtype
        assert 0 < np.isnan(np.asarray(y, np.float32)).sum() < y.size


def test_the_windows_that_read_a_nan_and_no_others() -> None:
    x = np.random.default_rng(0).standard_normal((2, 64, 64, 8), np.float32)
    x[0, 5, 40, 3] = x[1, 63, 63] = np.nan
    for window in (2, 4, 8, 16, 32):
        expected = np.zeros((2, 64 // window, 64 // window, 8), bool)
        expected[0, 5 // window, 40 // window, 3] = expected[1, -1, -1] = True
        for function in (max_pool, lambda x, window: max_pool_plain(x, window, stride=window)):
            found = jax.jit(function, static_argnums=1)(x, window)
            np.testing.assert_array_equal(np.isnan(found), expected)


def test_eagerly_and_in_plain_form() -> None:
    x = np.full((2, 64, 64, 3), np.nan, np.float32)
    kernel, bias = np.ones((3, 3, 3, 4), np.float32), np.zeros(4, np.float32)
    assert np.isnan(conv_relu_max_pool(x, kernel, bias, window=32)).all()
    with plain_implementations():
        assert np.isnan(conv_relu_max_pool(x, kernel, bias, window=32)).all()
        assert np.isnan(max_pool(x, 2)).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("soft", [False, True])
def test_a_nan_logit_is_a_nan_loss_and_gradient(name: str, soft: bool) -> None:
    """A batch of 1,024 with 8 classes: enough for the maximum of `multi_target` to lose it."""
    labels = np.arange(1024, dtype=np.int32) % 8
    targets: Any = np.eye(8, dtype=np.float32)[labels] if soft else labels
    logits = poisoned(np.random.default_rng(0).random((1024, 8), np.float32), 8 * 700 + 3)

    def loss(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        losses, _ = LOSSES[name](logits, targets)
        return losses.sum(), losses

    gradient, losses = jax.jit(jax.grad(loss, has_aux=True))(logits)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(losses)), [700])
    assert np.isnan(gradient[700]).all()
    assert np.isfinite(np.delete(gradient, 700, 0)).all()
