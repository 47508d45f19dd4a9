"""Depthwise convolution (one kernel for each channel) as shifted multiply-adds, fast on CPU."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.choose_implementation import use_custom_implementation
from ferjax.ops.plain_conv import Padding
from ferjax.ops.precision import sum_dtype
from ferjax.ops.sliding_window import add_taps_back, taps

# Largest number of rows whose products are summed before the running sums are updated.
_MOST_ROWS = 28


def depthwise_conv(x: jax.Array, kernel: jax.Array, *, stride: int, padding: Padding) -> jax.Array:
    """Returns the convolution of each channel with its own kernel.

    On CPU, XLA's implementation takes 14 to 29 times as long, forward and backward
    (docs/results/speed.md). On other platforms the function calls `depthwise_conv_plain`.

    Args:
      x: float [B, H, W, C].
      kernel: float [k, k, 1, C], of the dtype of x.
      stride: step of the kernel, in both directions.
      padding: zeros (above, below), (left, right).

    Returns:
      float [B, H', W', C], H' = (H + above + below - k) // stride + 1.
    """
    if use_custom_implementation("depthwise", x.shape[-1]):
        return _depthwise(x, kernel, stride, padding)
    return depthwise_conv_plain(x, kernel, stride=stride, padding=padding)


def depthwise_conv_plain(
    x: jax.Array, kernel: jax.Array, *, stride: int, padding: Padding
) -> jax.Array:
    """Returns the depthwise convolution by `lax.conv_general_dilated`."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _depthwise(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    k, dtype = len(kernel), sum_dtype(x)
    views = taps(_pad(x, padding), k, stride)
    weights = kernel.reshape(k * k, 1, 1, 1, -1).astype(dtype)
    products = (view * weight for view, weight in zip(views, weights, strict=True))
    return functools.reduce(jnp.add, products).astype(x.dtype)


def _forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _depthwise(x, kernel, stride, padding), (x, kernel)


def _backward(
    stride: int, padding: Padding, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    return (
        _input_gradient(gradient, kernel, stride, padding, x.shape[1:3]).astype(x.dtype),
        _kernel_gradient(x, gradient, len(kernel), stride, padding).astype(kernel.dtype),
    )


_depthwise.defvjp(_forward, _backward)


def _input_gradient(
    gradient: jax.Array,
    kernel: jax.Array,
    stride: int,
    padding: Padding,
    sides: tuple[int, ...],
) -> jax.Array:
    k, dtype = len(kernel), sum_dtype(gradient)
    weights = kernel.reshape(k * k, 1, 1, 1, -1).astype(dtype)
    low = (padding[0][0], padding[1][0])
    return add_taps_back([gradient * weight for weight in weights], k, stride, low, sides)


def _kernel_gradient(
    x: jax.Array, gradient: jax.Array, k: int, stride: int, padding: Padding
) -> jax.Array:
    """Returns [k, k, 1, C]: for each kernel tap the sum of its products with the gradient.

    The loop goes over blocks of an image's rows, because a block stays in the cache for all taps.
    The running sums are as wide as a row, because XLA vectorises the addition of two arrays and not
    the sum over one array. In a sharded batch each step of the loop takes one image of each shard.
    """
    shards = math.gcd(len(x), jax.device_count())
    x, gradient = (a.reshape(shards, -1, *a.shape[1:]) for a in (_pad(x, padding), gradient))
    _, images, height, *row = gradient.shape
    rows = max(n for n in range(1, _MOST_ROWS + 1) if height % n == 0)
    blocks = height // rows

    def add(totals: list[jax.Array], n: jax.Array) -> tuple[list[jax.Array], None]:
        image, block = n // blocks, n % blocks

        def cut(a: jax.Array, first_row: jax.Array, size: int) -> jax.Array:
            sizes = (shards, 1, size, *a.shape[3:])
            rows = lax.dynamic_slice(a, (0, image, first_row, 0, 0), sizes)
            return rows[:, 0].astype(zeros.dtype)

        input_rows = cut(x, block * rows * stride, (rows - 1) * stride + k)
        gradient_rows = cut(gradient, block * rows, rows)
        sums = [
            total + sum(view[:, i] * gradient_rows[:, i] for i in range(rows))
            for total, view in zip(totals, taps(input_rows, k, stride), strict=True)
        ]
        return sums, None

    zeros = jnp.zeros((shards, *row), sum_dtype(x))
    totals, _ = lax.scan(add, [zeros] * (k * k), jnp.arange(images * blocks))
    return jnp.stack([total.sum((0, 1)) for total in totals]).reshape(k, k, 1, -1)


def _pad(x: jax.Array, padding: Padding) -> jax.Array:
    return jnp.pad(x, ((0, 0), *padding, (0, 0)))
