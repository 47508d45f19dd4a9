"""The logits and the evaluation of a whole split, by a program that is compiled once."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh

from ferjax.data.pipeline.grain_batches import EvalBatches, Shard, iterate
from ferjax.data.splits.split import Split
from ferjax.runtime.sharding import replicated
from ferjax.specs import InputSpec
from ferjax.training.metrics import Evaluation, evaluation
from ferjax.training.split_logits import collect_logits
from ferjax.training.train_step import predict_step


def process_shard() -> Shard:
    """Returns this process's share of every global batch."""
    return Shard(jax.process_index(), jax.process_count())


def evaluator(
    model: nn.Module,
    spec: InputSpec,
    mesh: Mesh,
    batch_size: int,
    progress: bool,
    tta: str = "none",
) -> Callable[[Any, Split], np.ndarray]:
    """Returns (variables, split) → logits float [N, K]; compiled once for all calls."""

    def predict(variables: Any, batch: Any) -> jax.Array:
        return predict_step(variables, batch["image"], model=model, spec=spec, tta=tta)

    return evaluator_of(predict, mesh, batch_size, progress)


def evaluator_of(
    function: Callable[[Any, Any], jax.Array], mesh: Mesh, batch_size: int, progress: bool
) -> Callable[[Any, Split], np.ndarray]:
    """Returns (variables, split) → logits float [N, K], from a function of one batch.

    Args:
      function: (variables, batch) → logits float [B, K].
      mesh: devices that share a batch.
      batch_size: rows of the padded batches.
      progress: whether to show a bar on a terminal.
    """
    function = jax.jit(function, out_shardings=replicated(mesh))

    def logits(variables: Any, split: Split) -> np.ndarray:
        variables = jax.device_put(variables, replicated(mesh))
        batches = iterate(EvalBatches(split, batch_size, process_shard()))
        name = split.name if progress else None
        return collect_logits(function, variables, batches, mesh, len(split), progress=name)

    return logits


def evaluate_split(
    logits_of: Callable[[Any, Split], np.ndarray], variables: Any, split: Split
) -> Evaluation:
    """Returns the evaluation of `variables` on a split with the classes of the network."""
    return evaluation(logits_of(variables, split), split.labels)
