"""Batch normalisation with a custom gradient that saves only the input and its statistics."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.precision import sum_dtype


def batch_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, eps: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns x normalised over all axes but the last, and the mean and variance of the batch.

    Without the custom gradient XLA saves x - mean for the backward pass: on CPU this is one more
    array of the size of x, and one more pass over memory. No gradient flows through the returned
    statistics; they are meant for running averages.

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
    # One multiply-add. If x - mean were computed first, XLA would save it for the backward pass.
    y = x * factor.reshape(shape) + (bias - mean * factor).reshape(shape)
    return y.astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _batch_norm(x: jax.Array, scale: jax.Array, bias: jax.Array, eps: float) -> Any:
    return _forward(x, scale, bias, eps)[0]


def _forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, eps: float
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple[jax.Array, ...]]:
    x_accumulated = x.astype(sum_dtype(x))
    axes, shape = tuple(range(x.ndim - 1)), (1,) * (x.ndim - 1) + (-1,)
    mean = x_accumulated.mean(axes)
    # Not the mean of squares minus the square of the mean: in float32 this difference has an error
    # of 0.2 % if the mean is 100 standard deviations, and is noise if the mean is 3,000.
    variance = jnp.square(x_accumulated - mean.reshape(shape)).mean(axes)
    y = normalize(x, mean, variance, scale, bias, eps)
    return (y, mean, variance), (x, scale, bias, mean, lax.rsqrt(variance + eps))


def _backward(
    eps: float, residuals: tuple[jax.Array, ...], gradients: tuple[jax.Array, ...]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the gradients with respect to x, scale and bias (the paper's section 3)."""
    x, scale, bias, mean, inverse_std = residuals
    axes, shape = tuple(range(x.ndim - 1)), (1,) * (x.ndim - 1) + (-1,)
    gradient = gradients[0].astype(mean.dtype)
    bias_gradient = gradient.sum(axes)
    scale_gradient = ((gradient * x).sum(axes) - mean * bias_gradient) * inverse_std
    # scale / std · (gradient - its mean - its component along x), as multiply-adds of two arrays.
    count, factor = x.size // x.shape[-1], scale * inverse_std
    slope = factor * inverse_std * scale_gradient / count
    offset = mean * slope - factor * bias_gradient / count
    x_gradient = gradient * factor.reshape(shape) - x * slope.reshape(shape) + offset.reshape(shape)
    return (
        x_gradient.astype(x.dtype),
        scale_gradient.astype(scale.dtype),
        bias_gradient.astype(bias.dtype),
    )


_batch_norm.defvjp(_forward, _backward)
