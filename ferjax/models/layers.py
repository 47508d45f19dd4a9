"""Layers that networks share: convolution, batch norm, stochastic depth, adaptive mean pool."""

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

# Linen's convolution, computed by the implementation that is fastest for the platform and shape.
Conv = partial(nn.Conv, conv_general_dilated=conv_general_dilated)


class BatchNorm(nn.Module):
    """Batch normalisation over all but the last axis; same parameters and statistics as Linen's.

    Attributes:
      use_running_average: whether to normalise by the running statistics without updating them.
      momentum: weight of the old running statistics in a step.
      epsilon: added to the variance.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    use_running_average: bool
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, frozen: bool = False) -> jax.Array:
        """Maps float [..., C] to the same shape; `frozen` acts like `use_running_average`."""
        width = (x.shape[-1],)
        mean = self.variable("batch_stats", "mean", jnp.zeros, width)
        variance = self.variable("batch_stats", "var", jnp.ones, width)
        scale = self.param("scale", nn.initializers.ones, width)
        bias = self.param("bias", nn.initializers.zeros, width)
        x = x.astype(self.dtype or jnp.result_type(x, scale))
        if self.use_running_average or frozen:
            return normalize(x, mean.value, variance.value, scale, bias, self.epsilon)
        y, *batch = batch_norm(x, scale, bias, self.epsilon)
        if not self.is_initializing():
            for running, new in zip((mean, variance), batch, strict=True):
                running.value = self.momentum * running.value + (1 - self.momentum) * new
        return y


class StochasticDepth(nn.Module):
    """Drops a residual branch at random for each image; scales kept branches to keep the mean.

    Attributes:
      rate: probability that the branch is dropped.
      deterministic: whether nothing is dropped.

    References:
      Huang et al., Deep networks with stochastic depth, 2016.
    """

    rate: float
    deterministic: bool

    @nn.compact
    def __call__(self, x: jax.Array, *, frozen: bool = False) -> jax.Array:
        """Maps float [B, ...] to the same shape; `frozen` acts like `deterministic`."""
        if self.deterministic or frozen or not self.rate:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        kept = jax.random.bernoulli(self.make_rng("dropout"), 1 - self.rate, shape)
        return jnp.where(kept, x / (1 - self.rate), jnp.zeros_like(x))


class ConvReluMaxPool(nn.Module):
    """3x3 SAME convolution with bias, ReLU and max pool over disjoint windows, in one operation.

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

    In a map of n rows, bin i covers the rows from floor(i n / side) to ceil((i + 1) n / side), the
    end excluded. Bins overlap if `side` does not divide n. They repeat if n is less than `side`.

    Args:
      x: float [B, H, W, C].
      side: number of bins in each direction.

    Returns:
      float [B, side, side, C].
    """
    if x.shape[1:3] == (side, side):
        return x
    precise = full_precision(x)
    rows, columns = (jnp.asarray(_bins(size, side), precise.dtype) for size in x.shape[1:3])
    # HIGHEST: a GPU's default TF32 product would round activations to 10 bits.
    means = jnp.einsum("ih,jw,bhwc->bijc", rows, columns, precise, precision=lax.Precision.HIGHEST)
    return means.astype(x.dtype)


def _bins(size: int, count: int) -> np.ndarray:
    """Returns the bins' weights, float64 [count, size]; each row sums to 1."""
    first = np.arange(count) * size // count
    stop = -(-np.arange(1, count + 1) * size // count)
    index = np.arange(size)
    inside = (first[:, None] <= index) & (index < stop[:, None])
    return inside / inside.sum(1, keepdims=True)


def full_precision(x: jax.Array) -> jax.Array:
    """Returns `x` in at least float32: logits are never computed in half precision."""
    return x.astype(sum_dtype(x))
