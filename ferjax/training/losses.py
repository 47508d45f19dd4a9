"""Training losses on labels or soft targets, and class weights against class imbalance."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ferjax.config.registered_names import find, register
from ferjax.errors import UserError

_FOCUS = 2.0
_EPSILON = 0.001
# The weight of an example whose own class weighs nothing: its smoothed share of the other classes
# still counts, as in PyTorch, and a sum of weights does not see it.
_NOTHING = 1e-12


def soft_targets(targets: jax.Array, classes: int) -> jax.Array:
    """Returns targets as float [B, K]: labels int [B] become 1 and 0, soft ones stay."""
    if jnp.issubdtype(targets.dtype, jnp.integer):
        return jax.nn.one_hot(targets, classes)
    return jnp.asarray(targets)


def cross_entropy(
    logits: jax.Array,
    targets: jax.Array,
    *,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Returns softmax cross-entropy and weight of each example.

    The batch's loss is sum(loss * weight) / sum(weight). For labels that is the weighted mean of
    PyTorch's `CrossEntropyLoss`, also where they are smoothed: the weight of a class multiplies the
    term of that class, and the sum of the labels' own weights divides. For soft targets, which
    PyTorch divides by the number of examples, it is the mean weight of their classes.

    Args:
      logits: float [B, K].
      targets: labels int [B], or shares of the classes float [B, K], rows summing to 1.
      label_smoothing: share of the target spread evenly over all classes, 0 to 1.
      class_weights: float [K], or None for 1 everywhere. A soft target weighs the mean of its
        classes.

    Returns:
      loss float [B] and weight float [B].
    """
    smooth, weights = _weighted_targets(logits, targets, label_smoothing, class_weights)
    return optax.softmax_cross_entropy(logits, smooth), weights


def focal(
    logits: jax.Array,
    targets: jax.Array,
    *,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
    gamma: float = _FOCUS,
) -> tuple[jax.Array, jax.Array]:
    """Returns cross-entropy whose every term counts (1 - p)^gamma: what is learnt counts less.

    Arguments and result as of `cross_entropy`.

    References:
      Lin et al., Focal Loss for Dense Object Detection, ICCV 2017.
    """
    smooth, weights = _weighted_targets(logits, targets, label_smoothing, class_weights)
    likely = jax.nn.log_softmax(logits)
    # 1 - p, without the cancellation near p = 1.
    terms = (-jnp.expm1(likely)) ** gamma * likely
    return -(smooth * terms).sum(-1), weights


def multi_target(
    logits: jax.Array,
    targets: jax.Array,
    *,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Returns -log max(t * p) of each example: one of the targets has to be found, any of them.

    t is 0.999 * target + 0.001, so that a network sure of a wrong class keeps a gradient.
    Arguments and result as of `cross_entropy`, with `targets` of 0 and 1 where they are soft.

    Raises:
      UserError: with label smoothing, which a maximum would turn into another loss.

    References:
      Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
      Label Distribution, ICMI 2016, and its code.
    """
    if label_smoothing:
        raise UserError(
            f"--loss=multi_target takes no --label_smoothing (found {label_smoothing}): the best"
            " of its targets counts. Give --label_smoothing=0, or use --loss=cross_entropy."
        )
    allowed = (1 - _EPSILON) * soft_targets(targets, logits.shape[-1]).astype(
        logits.dtype
    ) + _EPSILON
    likely = jnp.log(allowed) + jax.nn.log_softmax(logits)
    # On CPU jaxlib's maximum passes over NaN (`ops/pool.py`).
    losses = -jnp.where(jnp.isnan(likely).any(-1), jnp.nan, likely.max(-1))
    return losses, _weights(targets, class_weights, losses.dtype)


LOSSES: dict[str, Callable[..., tuple[jax.Array, jax.Array]]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "multi_target": multi_target,
}


def register_loss(name: str, loss: Callable[..., tuple[jax.Array, jax.Array]]) -> None:
    """Adds a loss of the user's own for `--loss=NAME`; arguments and result as of `cross_entropy`.

    Raises:
      UserError: the name is one of ferjax's own, or no identifier.
    """
    register("loss", name, loss, LOSSES)


def find_loss(name: str) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Returns a loss by name; raises `UserError` where there is none."""
    return find("loss", name, LOSSES)


def _weighted_targets(
    logits: jax.Array,
    targets: jax.Array,
    label_smoothing: float,
    class_weights: np.ndarray | None,
) -> tuple[jax.Array, jax.Array]:
    """Returns smoothed targets [B, K], times class weight / example's weight, and weights [B]."""
    smooth = optax.smooth_labels(soft_targets(targets, logits.shape[-1]), label_smoothing)
    weights = _weights(targets, class_weights, logits.dtype)
    if class_weights is not None:
        smooth = smooth * (jnp.asarray(class_weights)[None] / weights[:, None])
    return smooth.astype(logits.dtype), weights


def _weights(targets: jax.Array, class_weights: np.ndarray | None, dtype: Any) -> jax.Array:
    """Returns the weight of each example, float [B]: of its label, or the mean of its targets."""
    if class_weights is None:
        return jnp.ones(len(targets), dtype)
    weights = jnp.asarray(class_weights)
    if jnp.issubdtype(targets.dtype, jnp.integer):
        weights = weights[targets]
    else:
        # Several targets of 1 weigh their classes' mean, not their sum.
        weights = (targets * weights[None]).sum(-1) / targets.sum(-1)
    return jnp.maximum(weights, _NOTHING).astype(dtype)


def inverse_class_weights(counts: np.ndarray) -> np.ndarray:
    """Returns N / (K * count) for each class: 1 on average over the images; 0 for an empty class.

    Args:
      counts: int [K], training images of each class.
    """
    mean = counts.sum() / len(counts)
    return np.where(counts > 0, mean / np.maximum(counts, 1), 0.0)


def effective_class_weights(counts: np.ndarray, beta: float = 0.999) -> np.ndarray:
    """Returns (1 - beta) / (1 - beta^count), scaled to average 1 over the classes.

    Between no weights (beta 0) and inverse ones (beta towards 1). A class without images weighs 0
    and is left out of the average.

    Args:
      counts: int [K], training images of each class.
      beta: 0 to below 1: no class has more than 1 / (1 - beta) effective images.

    References:
      Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019.
    """
    present = counts > 0
    weights = np.where(present, (1 - beta) / (1 - beta ** np.maximum(counts, 1)), 0.0)
    return weights * present.sum() / weights.sum()


# --class_weights → weights by the training images of each class.
CLASS_WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray | None]] = {
    "none": lambda counts: None,
    "inverse": inverse_class_weights,
    "effective": effective_class_weights,
}
