"""Layers that several networks share."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax import lax

from ferjax.ops.batch_norm import batch_norm, normalize
from ferjax.ops.conv import conv_general_dilated
from ferjax.ops.conv_pool import conv_relu_max_pool
from ferjax.ops.precision import sum_dtype

# Linen's convolution, its sums in the form that suits platform and shape.
Conv = partial(nn.Conv, conv_general_dilated=conv_general_dilated)


class BatchNorm(nn.Module):
    """Batch normalisation over all but the last axis; parameters and statistics as in Linen's.

    Attributes:
      use_running_average: whether to normalise by the running statistics, and leave them alone.
      momentum: share of the running statistics kept at a step.
      epsilon: added to the variance.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    use_running_average: bool
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, still: bool = False) -> jax.Array:
        """Maps float [..., C] to the same shape; `still`: as if `use_running_average`."""
        width = (x.shape[-1],)
        mean = self.variable("batch_stats", "mean", jnp.zeros, width)
        variance = self.variable("batch_stats", "var", jnp.ones, width)
        scale = self.param("scale", nn.initializers.ones, width)
        bias = self.param("bias", nn.initializers.zeros, width)
        x = x.astype(self.dtype or jnp.result_type(x, scale))
        if self.use_running_average or still:
            return normalize(x, mean.value, variance.value, scale, bias, self.epsilon)
        y, *batch = batch_norm(x, scale, bias, self.epsilon)
        if not self.is_initializing():
            for running, new in zip((mean, variance), batch, strict=True):
                running.value = self.momentum * running.value + (1 - self.momentum) * new
        return y


class StochasticDepth(nn.Module):
    """Leaves a residual branch out, image by image, and scales what stays to the same mean.

    Attributes:
      rate: probability of leaving it out.
      deterministic: whether nothing is left out.

    References:
      Huang et al., Deep networks with stochastic depth, 2016.
    """

    rate: float
    deterministic: bool

    @nn.compact
    def __call__(self, x: jax.Array, *, still: bool = False) -> jax.Array:
        """Maps float [B, ...] to the same shape; `still`: as if `deterministic`."""
        if self.deterministic or still or not self.rate:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        kept = jax.random.bernoulli(self.make_rng("dropout"), 1 - self.rate, shape)
        return jnp.where(kept, x / (1 - self.rate), jnp.zeros_like(x))


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


def adaptive_mean_pool(x: jax.Array, side: int) -> jax.Array:
    """Returns the means of `side` x `side` bins that cover the map, as torch's AdaptiveAvgPool2d.

    Bin i of n rows holds rows floor(i n / side) up to, not with, ceil((i + 1) n / side): bins
    overlap where `side` does not divide n, and repeat where n is smaller.

    Args:
      x: float [B, H, W, C].
      side: bins in each direction.

    Returns:
      float [B, side, side, C].
    """
    if x.shape[1:3] == (side, side):
        return x
    wide = full_precision(x)
    rows, columns = (jnp.asarray(_bins(size, side), wide.dtype) for size in x.shape[1:3])
    # HIGHEST: a GPU's default TF32 product would round activations to 10 bits.
    means = jnp.einsum("ih,jw,bhwc->bijc", rows, columns, wide, precision=lax.Precision.HIGHEST)
    return means.astype(x.dtype)


def _bins(size: int, count: int) -> np.ndarray:
    """Returns the bins' weights, float64 [count, size]; each row sums to 1."""
    start = np.arange(count) * size // count
    stop = -(-np.arange(1, count + 1) * size // count)
    place = np.arange(size)
    inside = (start[:, None] <= place) & (place < stop[:, None])
    return inside / inside.sum(1, keepdims=True)


def full_precision(x: jax.Array) -> jax.Array:
    """Returns `x` in at least float32: logits are never computed in half precision."""
    return x.astype(sum_dtype(x))
