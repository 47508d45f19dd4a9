"""Logits of a whole split, computed on padded batches."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.sharding import put_batch


def collect_logits(
    logits_fn: Callable[[Any, Mapping[str, jax.Array]], jax.Array],
    variables: Mapping[str, Any],
    batches: Iterable[Mapping[str, Any]],
    mesh: Mesh,
    count: int,
    *,
    progress: str | None = None,
) -> np.ndarray:
    """Returns logits float [count, K] in the split's order, the same in every process.

    Args:
      logits_fn: compiled (variables, batch) → logits, replicated over the mesh; the batch holds
        `image` and, if the split has features, `feature`.
      variables: `params` and `batch_stats`.
      batches: this process's rows of the padded batches, in order.
      mesh: the devices that get the batches.
      count: number of images in the split; the rows after them are padding.
      progress: the name on a progress bar, or None for no bar.
    """
    bar = tqdm(
        batches, desc=progress, unit="batch", leave=False, disable=None if progress else True
    )
    inputs = ({name: b[name] for name in ("image", "feature") if name in b} for b in bar)
    # Two programs in flight on several simulated CPU devices can wait for each other's exchanges
    # until XLA aborts the process; elsewhere they overlap.
    one_at_a_time = mesh.size > 1 and mesh.devices.flat[0].platform == "cpu"
    rows = []
    for batch in inputs:
        rows.append(logits_fn(variables, put_batch(batch, mesh)))
        if one_at_a_time:
            rows[-1].block_until_ready()
    return np.concatenate([np.asarray(row) for row in rows])[:count]
