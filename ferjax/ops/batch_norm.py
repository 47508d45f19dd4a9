"""Batch normalisation whose backward pass needs the input and two rows of statistics, no more."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.precision import sum_dtype


def batch_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, eps: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns x normalised over all but its last axis, and the mean and variance of the batch.

    Left to itself XLA keeps x - mean for the backward pass: on CPU one more array of the size of x,
    written in a pass of its own. No gradient flows through the returned statistics, which are for
    running averages.

    Args:
      x: float [..., C].
      scale: float [C].
      bias: float [C].
      eps: added to the variance.

    Returns:
      float [..., C] in the dtype of x; mean and (biased) variance, [C], at least float32.

    References:
      Ioffe and Szegedy, Batch normalization, 2015, algorithm 1.
    """
    result: Any = _batch_norm(x, scale, bias, eps)
    return result


def normalize(
    x: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    eps: float,
) -> jax.Array:
    """Returns (x - mean) / sqrt(variance + eps) * scale + bias, in the dtype of x."""
    shape = (1,) * (x.ndim - 1) + (-1,)
    factor = lax.rsqrt(variance + eps) * scale
    # One multiply-add. Written as x - mean first, XLA would share that with the backward pass.
    y = x * factor.reshape(shape) + (bias - mean * factor).reshape(shape)
    return y.astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _batch_norm(x: jax.Array, scale: jax.Array, bias: jax.Array, eps: float) -> Any:
    return _forward(x, scale, bias, eps)[0]


def _forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, eps: float
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple[jax.Array, ...]]:
    wide = x.astype(sum_dtype(x))
    axes = tuple(range(x.ndim - 1))
    mean = wide.mean(axes)
    variance = jnp.maximum((wide * wide).mean(axes) - mean * mean, 0)
    y = normalize(x, mean, variance, scale, bias, eps)
    return (y, mean, variance), (x, scale, bias, mean, lax.rsqrt(variance + eps))


def _backward(
    eps: float, residuals: tuple[jax.Array, ...], gradients: tuple[jax.Array, ...]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the gradients with respect to x, scale and bias (the paper's section 3)."""
    x, scale, bias, mean, rate = residuals
    axes, shape = tuple(range(x.ndim - 1)), (1,) * (x.ndim - 1) + (-1,)
    gradient = gradients[0].astype(mean.dtype)
    by_bias = gradient.sum(axes)
    by_scale = ((gradient * x).sum(axes) - mean * by_bias) * rate
    # scale · rate · (gradient - its mean - its part along x), as multiply-adds of the two arrays.
    count, factor = x.size // x.shape[-1], scale * rate
    along = factor * rate * by_scale / count
    offset = mean * along - factor * by_bias / count
    by_x = gradient * factor.reshape(shape) - x * along.reshape(shape) + offset.reshape(shape)
    return by_x.astype(x.dtype), by_scale.astype(scale.dtype), by_bias.astype(bias.dtype)


_batch_norm.defvjp(_forward, _backward)
