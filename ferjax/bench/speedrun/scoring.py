"""The one evaluation of the suite `speedrun`: how many test faces a network names correctly."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ferjax.specs import InputSpec
from ferjax.training.train_step import predict_step

# Faces of a batch. The last batch is padded, so that one program serves all.
SCORED_BATCH = 512
_NO_LABEL = -1


def hits_of_batch(
    variables: Mapping[str, Any],
    images: jax.Array,
    labels: jax.Array,
    *,
    model: nn.Module,
    spec: InputSpec,
    mirrored_views: bool,
) -> jax.Array:
    """Returns the number of faces whose most probable class is their label, int32 scalar.

    The views of a face are rows of one batch, because XLA's convolutions are slow within a loop on
    a CPU.

    Args:
      variables: parameters and statistics.
      images: uint8 [B, S, S, 1].
      labels: int32 [B]; -1 for padding.
      model: the network.
      spec: how images become its input.
      mirrored_views: whether the probabilities of a face and of its mirror image are averaged.
    """
    views = jnp.concatenate([images, images[:, :, ::-1]]) if mirrored_views else images
    logits = predict_step(variables, views, model=model, spec=spec)
    probabilities = jax.nn.softmax(logits).reshape(-1, len(labels), logits.shape[-1]).mean(0)
    return (probabilities.argmax(-1) == labels).sum(dtype=jnp.int32)


def count_hits(
    hits: Callable[..., jax.Array],
    variables: Mapping[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
) -> int:
    """Returns the number of correctly named faces of a split.

    Args:
      hits: (variables, images, labels) of `SCORED_BATCH` rows → hits, compiled.
      variables: parameters and statistics.
      images: uint8 [M, S, S, 1].
      labels: int32 [M].
    """
    missing = -len(labels) % SCORED_BATCH
    images = np.pad(images, ((0, missing), *((0, 0),) * 3))
    labels = np.pad(labels, (0, missing), constant_values=_NO_LABEL)
    counts = [
        hits(variables, images[first : first + SCORED_BATCH], labels[first : first + SCORED_BATCH])
        for first in range(0, len(labels), SCORED_BATCH)
    ]
    return sum(int(each) for each in counts)
