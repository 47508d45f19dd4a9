"""Convolution of grey images: one multiply-add for each position of the kernel, no channel sums."""

import functools
import operator

import jax
import jax.numpy as jnp

from ferjax.ops.plain_conv import Padding, gradient_of_images
from ferjax.ops.precision import sum_dtype


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def one_channel_conv(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    """Returns the convolution of maps with one channel.

    A convolution sums over kernel positions and channels. With one channel each position adds the
    product of one pixel and one row of the kernel, and XLA computes all positions in one pass over
    the output. The gradient of the kernel is one matrix product over all pixels.

    Args:
      x: float [B, H, W, 1].
      kernel: float [h, w, 1, F].
      strides: (rows, columns).
      padding: zeros ((above, below), (before, after)).

    Returns:
      float [B, (H + above + below - h) // stride + 1, ..., F] in the dtype of x.
    """
    dtype = sum_dtype(x)
    rows = kernel.reshape(-1, 1, 1, 1, kernel.shape[-1]).astype(dtype)
    pixels = _pixels_under_kernel(x.astype(dtype), kernel, strides, padding)
    parts = [pixel[..., None] * row for pixel, row in zip(pixels, rows, strict=True)]
    return functools.reduce(operator.add, parts).astype(x.dtype)


def _pixels_under_kernel(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding
) -> list[jax.Array]:
    """Returns [B, H', W'] for each position of the kernel, row by row."""
    plane = jnp.pad(x[..., 0], ((0, 0), *padding))
    (height, width), (down, right) = kernel.shape[:2], strides
    bottom, end = plane.shape[1] - height + 1, plane.shape[2] - width + 1
    return [
        plane[:, i : i + bottom : down, j : j + end : right]
        for i in range(height)
        for j in range(width)
    ]


def _forward(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return one_channel_conv(x, kernel, strides, padding), (x, kernel)


def _backward(
    strides: tuple[int, int],
    padding: Padding,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    pixels = jnp.stack(_pixels_under_kernel(x, kernel, strides, padding))
    kernel_gradient = jnp.einsum(
        "kbhw,bhwf->kf", pixels, gradient, preferred_element_type=sum_dtype(x)
    )
    # The gradient of the images is rarely used; XLA leaves it out if it is not.
    image_gradient = gradient_of_images(x, kernel, strides, padding, gradient)
    return image_gradient, kernel_gradient.reshape(kernel.shape).astype(kernel.dtype)


one_channel_conv.defvjp(_forward, _backward)
