"""XLA's convolution of images, and its gradient for the images, used by custom implementations."""

import jax
from jax import lax

NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))

Padding = tuple[tuple[int, int], tuple[int, int]]


def plain_conv(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    """Returns XLA's convolution of images.

    Args:
      x: float [B, H, W, C].
      kernel: float [h, w, C, F].
      strides: (rows, columns).
      padding: zeros ((above, below), (before, after)).

    Returns:
      float [B, (H + above + below - h) // stride + 1, ..., F].
    """
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=NHWC)


def gradient_of_images(
    x: jax.Array,
    kernel: jax.Array,
    strides: tuple[int, int],
    padding: Padding,
    gradient: jax.Array,
) -> jax.Array:
    """Returns XLA's gradient for x, from the gradient for the output of `plain_conv`."""
    (image_gradient,) = jax.vjp(lambda x: plain_conv(x, kernel, strides, padding), x)[1](gradient)
    return image_gradient
