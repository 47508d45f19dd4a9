"""Convolutions for training, in the form that suits platform and shape."""

from typing import Any

import jax
from jax import lax


def conv_general_dilated(
    lhs: jax.Array, rhs: jax.Array, window_strides: Any, padding: Any, **arguments: Any
) -> jax.Array:
    """`lax.conv_general_dilated`."""
    return lax.conv_general_dilated(lhs, rhs, window_strides, padding, **arguments)
