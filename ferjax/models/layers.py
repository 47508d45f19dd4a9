"""Layers that several networks share."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

from ferjax.ops.conv import conv_general_dilated
from ferjax.ops.conv_pool import conv_relu_max_pool

# Linen's convolution, its sums in the form that suits platform and shape.
Conv = partial(nn.Conv, conv_general_dilated=conv_general_dilated)


class ConvReluMaxPool(nn.Module):
    """3x3 SAME convolution with bias, ReLU and a max pool over disjoint windows, as one operation.

    Attributes:
      features: number of filters.
      window: side of the pooling window, and its stride.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    features: int
    window: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps float [B, H, W, C] to [B, H / window, W / window, features]."""
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return conv_relu_max_pool(x, kernel, bias, window=self.window)


def full_precision(x: jax.Array) -> jax.Array:
    """Returns `x` in at least float32: logits are never computed in half precision."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
