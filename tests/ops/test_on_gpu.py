"""Every operation on a GPU, in both precisions, against its plain form: values and gradients.

`FERJAX_TEST_GPU=1 pytest -m gpu` runs the comparisons on a GPU. Without the variable they are
skipped, and the default tests only trace them. `FERJAX_TEST_GPU=cpu` runs them on a CPU, to test
the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ferjax.ops.batch_norm import batch_norm, normalize
from ferjax.ops.choose_implementation import implementations_of, plain_implementations
from ferjax.ops.conv import conv_general_dilated
from ferjax.ops.conv_pool import conv_relu_max_pool, conv_relu_max_pool_plain
from ferjax.ops.depthwise import depthwise_conv, depthwise_conv_plain
from ferjax.ops.pool import max_pool, max_pool_plain

Op = Callable[..., jax.Array]
_DIMS = ("NHWC", "HWIO", "NHWC")
# Largest difference as a share of the largest magnitude. float32: a GPU multiplies in TF32, which
# rounds each factor to 11 bits, so that a product is wrong by up to 2^-10 = 0.1 %; in sums these
# errors are random, and the gradients of a batch norm divide by a deviation. bfloat16: factors are
# exact, sums are float32, and results are rounded to 8 bits, at most 2^-9 = 0.2 %; in a gradient
# the rounded value, the rounded gradient and the rounded result add up.
_TOLERANCE = {"float32": 3e-3, "bfloat16": 1.5e-2}


@dataclass(frozen=True)
class Check:
    """An operation and its plain form.

    Attributes:
      op: the operation.
      plain: the same in XLA's own operations.
      shapes: shapes of the arguments.
      whole: whether the arguments are small whole numbers. Their products and sums are exact, so
        that both forms find the same maxima in spite of their roundings.
    """

    op: Op
    plain: Op
    shapes: tuple[tuple[int, ...], ...]
    whole: bool = False


def _batch_norm_plain(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    shape = (1, 1, 1, -1)
    y = (x - mean.reshape(shape)) / jnp.sqrt(variance.reshape(shape) + 1e-5)
    return y * scale.reshape(shape) + bias.reshape(shape)


def _normalize_plain(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    shape = (1, 1, 1, -1)
    return (x - 0.5) / jnp.sqrt(2.0 + 1e-5) * scale.reshape(shape) + bias.reshape(shape)


def _normalize(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    channels = jnp.ones(x.shape[-1], jnp.float32)
    return normalize(x, 0.5 * channels, 2 * channels, scale, bias, 1e-5)


def _conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    edge = (kernel.shape[0] // 2,) * 2
    return conv_general_dilated(x, kernel, (stride,) * 2, (edge, edge), dimension_numbers=_DIMS)


def _conv_plain(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    edge = (kernel.shape[0] // 2,) * 2
    return lax.conv_general_dilated(x, kernel, (stride,) * 2, (edge, edge), dimension_numbers=_DIMS)


def _convolution(side: int, inputs: int, filters: int, size: int, stride: int) -> Check:
    shapes = ((8, side, side, inputs), (size, size, inputs, filters))
    return Check(partial(_conv, stride=stride), partial(_conv_plain, stride=stride), shapes)


def _depthwise(side: int, channels: int, size: int, stride: int) -> Check:
    options: dict[str, Any] = {"stride": stride, "padding": ((size // 2,) * 2,) * 2}
    shapes = ((8, side, side, channels), (size, size, 1, channels))
    return Check(
        partial(depthwise_conv, **options), partial(depthwise_conv_plain, **options), shapes
    )


def _jumper(side: int, inputs: int, window: int) -> Check:
    shapes = ((4, side, side, inputs), (3, 3, inputs, 64), (64,))
    op, plain = (partial(f, window=window) for f in (conv_relu_max_pool, conv_relu_max_pool_plain))
    return Check(op, plain, shapes, whole=True)


_VECTORS = ((48,), (48,))
CHECKS = {
    "batch norm": Check(
        lambda *arrays: batch_norm(*arrays, 1e-5)[0],
        _batch_norm_plain,
        ((16, 14, 14, 48), *_VECTORS),
    ),
    "normalize": Check(_normalize, _normalize_plain, ((16, 14, 14, 48), *_VECTORS)),
    "conv 3x3": _convolution(16, 64, 64, 3, 1),
    "conv 3x3 s2": _convolution(16, 32, 64, 3, 2),
    "conv 1x1": _convolution(8, 64, 128, 1, 1),
    "conv of grey images": _convolution(48, 1, 32, 3, 1),
    "conv of maps smaller than the kernel": _convolution(2, 64, 64, 3, 1),
    "depthwise k3": _depthwise(28, 48, 3, 1),
    "depthwise k5 s2": _depthwise(14, 48, 5, 2),
    "max pool 2x2": Check(
        lambda x: max_pool(x, 2), lambda x: max_pool_plain(x, 2, stride=2), ((8, 16, 16, 32),)
    ),
    "max pool 3x3 s2": Check(
        lambda x: max_pool(x, 3, stride=2, padding=1),
        lambda x: max_pool_plain(x, 3, stride=2, padding=1),
        ((8, 16, 16, 32),),
    ),
    "jumper of an image, windows of 32": _jumper(64, 3, 32),
    "jumper of features, windows of 8": _jumper(32, 16, 8),
}
# jax's name of the platform whose implementations run: on a GPU those of CPUs must be right too.
PLATFORMS = ("gpu", "cpu")

each_check = pytest.mark.parametrize("name", CHECKS)
each_precision = pytest.mark.parametrize("precision", _TOLERANCE)


def inputs_of(check: Check, precision: str) -> list[np.ndarray]:
    """Returns the gradient of the result and the arguments, float32 rounded to the precision."""
    rng = np.random.default_rng(0)
    arguments = [jax.ShapeDtypeStruct(shape, np.float32) for shape in check.shapes]
    shapes = [jax.eval_shape(check.plain, *arguments).shape, *check.shapes]
    dtype = jnp.dtype(precision)
    if check.whole:
        drawn = [rng.integers(-2, 3, shape).astype(np.float32) for shape in shapes]
    else:
        drawn = [rng.standard_normal(shape, np.float32) for shape in shapes]
    return [array.astype(dtype) for array in drawn]


def value_and_gradients(op: Op, dy: Any, *inputs: Any) -> tuple[jax.Array, ...]:
    """Returns the value and the gradients of all inputs."""
    y, pullback = jax.vjp(op, *inputs)
    return (y, *pullback(jnp.asarray(dy, y.dtype)))


@pytest.mark.gpu
@pytest.mark.usefixtures("accelerator")
@each_check
@each_precision
@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_operation_equals_its_plain_form(platform: str, precision: str, name: str) -> None:
    check = CHECKS[name]
    inputs = inputs_of(check, precision)
    with implementations_of(platform):
        found = jax.jit(partial(value_and_gradients, check.op))(*inputs)
    # The plain form in float32 without TF32, of the same rounded numbers.
    exact = [np.asarray(array, np.float32) for array in inputs]
    with plain_implementations(), jax.default_matmul_precision("highest"):
        expected = jax.jit(partial(value_and_gradients, check.plain))(*exact)
    for got, wanted in zip(found, expected, strict=True):
        assert got.dtype == jnp.dtype(precision)
        got, wanted = np.asarray(got, np.float32), np.asarray(wanted)
        assert np.abs(got - wanted).max() <= _TOLERANCE[precision] * np.abs(wanted).max()


@each_check
@each_precision
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_same_functions_trace_on_a_cpu(platform: str, precision: str, name: str) -> None:
    check = CHECKS[name]
    inputs = inputs_of(check, precision)
    with implementations_of(platform):
        found = jax.eval_shape(partial(value_and_gradients, check.op), *inputs)
    assert [leaf.shape for leaf in found] == [array.shape for array in inputs]
    assert {leaf.dtype for leaf in found} == {jnp.dtype(precision)}
