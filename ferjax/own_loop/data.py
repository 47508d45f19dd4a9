"""Batches of a split on the devices, for a training loop of your own."""

from collections.abc import Iterator

import jax
from jax.sharding import Mesh

from ferjax.data.pipeline.grain_batches import TrainBatches, iterate
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.runs.split_evaluator import process_shard
from ferjax.runtime.sharding import check_batch_size, data_mesh, put_batch


def batches(
    split: Split,
    batch_size: int,
    *,
    epochs: int = 1,
    seed: int = 0,
    first_step: int = 0,
    balance: bool = False,
    mesh: Mesh | None = None,
) -> Iterator[dict[str, jax.Array]]:
    """Yields shuffled training batches on the devices, read ahead by Grain.

    Batch i depends only on (seed, i), so a resumed loop passes `first_step=int(state.step)`.
    A batch holds `image` uint8 [B, H, W, C], `label` int32 [B], `mask` bool [B], `index` int32 [B]
    (position in the split) and, if the split has soft labels, `target` float32 [B, K].

    Args:
      split: the training split, for instance `load_dataset(...).splits["train"]`.
      batch_size: rows over all devices together; the remainder of an epoch is left out.
      epochs: passes over the split.
      seed: seed of the order.
      first_step: the first batch to yield.
      balance: whether to draw every class with equal probability, instead of a permutation.
      mesh: devices that share the rows; None: all devices.

    Raises:
      UserError: a batch size that the devices do not divide or that is above the split's number of
        images; negative `epochs` or `first_step`; or an image that cannot be read.
    """
    mesh = mesh or data_mesh()
    check_batch_size(batch_size, mesh)
    if batch_size > len(split):
        raise UserError(
            f"--batch_size={batch_size} is more than the {len(split)} images of {split.name}: no"
            " batch could be filled. Give a smaller one."
        )
    if epochs < 0 or first_step < 0:
        raise UserError(f"epochs={epochs}, first_step={first_step}: 0 or more are expected.")
    source = TrainBatches(split, batch_size, seed, epochs, process_shard(), balance=balance)
    for batch in iterate(source, first_step):
        yield put_batch(batch, mesh)
