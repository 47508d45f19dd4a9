"""Logits of a whole split, batch by padded batch."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from ferjax.sharding import put_batch


def collect_logits(
    logits_fn: Callable[[Any, jax.Array], jax.Array],
    variables: Mapping[str, Any],
    batches: Iterable[Mapping[str, Any]],
    mesh: Mesh,
    count: int,
    *,
    progress: str | None = None,
) -> np.ndarray:
    """Returns logits float [count, K] in the split's order, the same in every process.

    Args:
      logits_fn: compiled (variables, uint8 images) → logits, replicated over the mesh.
      variables: `params` and `batch_stats`.
      batches: this process's rows of the padded batches, in order.
      mesh: to put them on.
      count: images in the split; rows beyond it are padding.
      progress: the name on a progress bar, or None for none.
    """
    bar = tqdm(
        batches, desc=progress, unit="batch", leave=False, disable=None if progress else True
    )
    rows = [logits_fn(variables, put_batch({"image": b["image"]}, mesh)["image"]) for b in bar]
    return np.concatenate([np.asarray(row) for row in rows])[:count]
