"""Fused convolution + bias + ReLU + max pool in one operation: Awei's residual jumper (P5)."""

import jax

from ferjax.ops.choose_implementation import use_custom_implementation
from ferjax.ops.conv import conv_general_dilated
from ferjax.ops.conv_pool_tiles import tiled_conv_relu_max_pool
from ferjax.ops.pool import check_tiling, max_pool


def conv_relu_max_pool(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, *, window: int
) -> jax.Array:
    """Returns max_pool(relu(conv(x, kernel, SAME) + bias)) over disjoint square windows.

    If several maxima are equal, the first in row-major order gets the gradient. If the pooled
    value is not above zero, the gradient is zero. NaN is propagated.

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
    check_tiling(x, window)
    if use_custom_implementation("conv_relu_max_pool", window):
        return tiled_conv_relu_max_pool(x, kernel, bias, window)
    return conv_relu_max_pool_plain(x, kernel, bias, window=window)


def conv_relu_max_pool_plain(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, *, window: int
) -> jax.Array:
    """Returns `conv_relu_max_pool` by three operations, which store the full-resolution map.

    Bias and ReLU come after the pool: both are monotone, so the bits are the same, and the map is
    `window`² times smaller there.
    """
    dims = ("NHWC", "HWIO", "NHWC")
    y = conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
    return jax.nn.relu(max_pool(y, window) + bias[None, None, None])
