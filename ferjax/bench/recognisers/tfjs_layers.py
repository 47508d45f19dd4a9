"""Convolutions and biases of TensorFlow.js, NHWC, by ferjax's operations."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.conv import conv_general_dilated

_NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


def conv(x: jax.Array, kernel: Any, strides: Sequence[int], padding: str) -> jax.Array:
    """Returns the convolution of x [N, H, W, C] with a kernel [k, k, C, D]; `SAME` or `VALID`."""
    return conv_general_dilated(x, kernel, strides, padding, dimension_numbers=_NHWC)


def depthwise(x: jax.Array, kernel: Any, strides: Sequence[int], padding: str) -> jax.Array:
    """Returns the convolution of each channel with its own part of a kernel [k, k, C, 1]."""
    # TensorFlow keeps the channels in the third axis, JAX in the fourth.
    return conv_general_dilated(
        x,
        jnp.swapaxes(kernel, 2, 3),
        strides,
        padding,
        dimension_numbers=_NHWC,
        feature_group_count=x.shape[-1],
    )


def add_bias(x: jax.Array, bias: Any) -> jax.Array:
    """Returns x [N, H, W, C] plus a bias [C]."""
    return x + jnp.reshape(bias, (1, 1, 1, -1))
