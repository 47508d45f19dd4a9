"""Gradient accumulation: loss and gradient of a batch, summed over equal parts of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class BatchSums(NamedTuple):
    """EpochSums over the parts of a batch.

    Attributes:
      loss: float scalar, sum of the weighted losses.
      weight: float scalar, sum of the weights.
      correct: int32 scalar, hits.
      batch_stats: running statistics after the last part.
    """

    loss: Any
    weight: Any
    correct: Any
    batch_stats: Any


def accumulate_gradients(
    part_loss: Callable[..., tuple[jax.Array, tuple[jax.Array, jax.Array, Any]]],
    trained: Any,
    batch_stats: Any,
    batch: Mapping[str, Any],
    key: jax.Array,
    parts: int,
) -> tuple[BatchSums, Any]:
    """Returns the sums over a batch, and the gradient of its weighted mean loss.

    Without batch norm and dropout the result does not depend on the number of parts. A batch norm
    normalises each part by itself, as a smaller batch.

    Args:
      part_loss: (trained, batch_stats, part, key) → sum of weighted losses, (sum of weights, hits,
        batch_stats); differentiated in its first argument.
      trained: parameters.
      batch_stats: running statistics before the batch.
      batch: arrays [B, ...], nested in any way.
      key: random key of dropout; each part gets its own.
      parts: number of equal parts of the batch; each part has rows of every device.
    """
    gradient_fn = jax.value_and_grad(part_loss, has_aux=True)

    def one(batch_stats: Any, part: Any, key: jax.Array) -> tuple[BatchSums, Any]:
        (loss, (weight, correct, batch_stats)), gradients = gradient_fn(
            trained, batch_stats, part, key
        )
        return BatchSums(loss, weight, correct, batch_stats), gradients

    if parts == 1:
        found, gradients = one(batch_stats, batch, key)
    else:
        found, gradients = _scan_parts(one, batch_stats, batch, key, parts)
    total = jnp.maximum(found.weight, 1e-12)  # a batch of masked rows must not divide by zero
    return found, jax.tree.map(lambda g: g / total.astype(g.dtype), gradients)


def _scan_parts(
    one: Callable[..., tuple[BatchSums, Any]],
    batch_stats: Any,
    batch: Mapping[str, Any],
    key: jax.Array,
    parts: int,
) -> tuple[BatchSums, Any]:
    def cut(x: jax.Array) -> jax.Array:
        # Part i takes every parts-th row, so that no row moves to another device.
        return x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1)

    def add(carry: tuple[BatchSums, Any], part: tuple[Any, jax.Array]) -> tuple[Any, None]:
        (before, gradients), (rows, number) = carry, part
        found, more = one(before.batch_stats, rows, jax.random.fold_in(key, number))
        summed = BatchSums(
            before.loss + found.loss,
            before.weight + found.weight,
            before.correct + found.correct,
            found.batch_stats,
        )
        return (summed, jax.tree.map(jnp.add, gradients, more)), None

    rows = jax.tree.map(cut, batch)
    first = jax.eval_shape(one, batch_stats, jax.tree.map(lambda x: x[0], rows), key)
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), first)
    start = (zero[0]._replace(batch_stats=batch_stats), zero[1])
    # On CPU a convolution inside a loop falls to a naive kernel, tens of times slower.
    unroll = parts if jax.default_backend() == "cpu" else 1
    return jax.lax.scan(add, start, (rows, jnp.arange(parts)), unroll=unroll)[0]
