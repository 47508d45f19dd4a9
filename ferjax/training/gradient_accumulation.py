"""Gradient accumulation: loss and gradient of a batch, summed over its equal parts."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class BatchSums(NamedTuple):
    """Sums over the parts of a batch.

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

    Without batch norm and dropout the result does not depend on the number of parts. Batch norm
    normalises each part separately, as a smaller batch.

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

    def sums_and_gradients(batch_stats: Any, part: Any, key: jax.Array) -> tuple[BatchSums, Any]:
        (loss, (weight, correct, batch_stats)), gradients = gradient_fn(
            trained, batch_stats, part, key
        )
        return BatchSums(loss, weight, correct, batch_stats), gradients

    if parts == 1:
        sums, gradients = sums_and_gradients(batch_stats, batch, key)
    else:
        sums, gradients = _scan_parts(sums_and_gradients, batch_stats, batch, key, parts)
    total = jnp.maximum(sums.weight, 1e-12)  # a batch of masked rows must not divide by zero
    return sums, jax.tree.map(lambda g: g / total.astype(g.dtype), gradients)


def _scan_parts(
    sums_and_gradients: Callable[..., tuple[BatchSums, Any]],
    batch_stats: Any,
    batch: Mapping[str, Any],
    key: jax.Array,
    parts: int,
) -> tuple[BatchSums, Any]:
    def split_rows(x: jax.Array) -> jax.Array:
        # Part i takes every parts-th row, so that no row moves to another device.
        return x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1)

    def add(carry: tuple[BatchSums, Any], part: tuple[Any, jax.Array]) -> tuple[Any, None]:
        (before, gradients), (rows, number) = carry, part
        sums, part_gradients = sums_and_gradients(
            before.batch_stats, rows, jax.random.fold_in(key, number)
        )
        summed = BatchSums(
            before.loss + sums.loss,
            before.weight + sums.weight,
            before.correct + sums.correct,
            sums.batch_stats,
        )
        return (summed, jax.tree.map(jnp.add, gradients, part_gradients)), None

    rows = jax.tree.map(split_rows, batch)
    first = jax.eval_shape(sums_and_gradients, batch_stats, jax.tree.map(lambda x: x[0], rows), key)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), first)
    initial_carry = (zeros[0]._replace(batch_stats=batch_stats), zeros[1])
    # On CPU a convolution inside a loop runs in a naive kernel, tens of times slower.
    unroll = parts if jax.default_backend() == "cpu" else 1
    return jax.lax.scan(add, initial_carry, (rows, jnp.arange(parts)), unroll=unroll)[0]
