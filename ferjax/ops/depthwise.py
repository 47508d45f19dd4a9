"""Depthwise convolution: every channel with a kernel of its own."""

import jax
from jax import lax


def depthwise_conv(
    x: jax.Array, kernel: jax.Array, *, stride: int, padding: tuple[tuple[int, int], ...]
) -> jax.Array:
    """Returns float [B, H', W', C] of x [B, H, W, C] and kernel [k, k, 1, C]."""
    dims = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=dims,
        feature_group_count=x.shape[-1],
    )
