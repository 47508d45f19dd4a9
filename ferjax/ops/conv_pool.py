"""Convolution, bias, ReLU and max pool as one operation: Awei's residual jumper (P5)."""

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.pool import max_pool


def conv_relu_max_pool(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, *, window: int
) -> jax.Array:
    """Returns max_pool(relu(conv(x, kernel, SAME) + bias)) over disjoint square windows.

    The plain form: it holds the full-resolution map of all filters. Adding the bias and clipping
    after the pool give the same bits, both being monotone, on a map `window`² times smaller.

    Args:
      x: float [B, H, W, C], H and W multiples of `window`.
      kernel: float [k, k, C, F].
      bias: float [F].
      window: side of the pooling window, and its stride.

    Returns:
      float [B, H / window, W / window, F], in the dtype of `x`.

    Raises:
      ValueError: `window` does not divide H or W.
    """
    dims = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
    return jnp.maximum(max_pool(y, window) + bias[None, None, None], 0)
