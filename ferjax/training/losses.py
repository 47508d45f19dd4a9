"""Training losses on labels or soft targets, and class weights against class imbalance."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ferjax.config.registered_names import find, register
from ferjax.errors import UserError

# Default `gamma` of the focal loss.
_FOCAL_GAMMA = 2.0
# The part of a target that `multi_target` gives to every class.
_EPSILON = 0.001
# The weight of an example whose own class has weight 0. Its smoothed share of the other classes
# still counts, as in PyTorch; in a sum of weights it is negligible.
_LEAST_WEIGHT = 1e-12


def soft_targets(targets: jax.Array, classes: int) -> jax.Array:
    """Returns targets as float [B, K]: labels int [B] become one-hot, soft targets stay."""
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

    The batch's loss is sum(loss * weight) / sum(weight). For labels, also with label smoothing, it
    is the weighted mean of PyTorch's `CrossEntropyLoss`: the weight of a class multiplies the term
    of that class, and the divisor is the sum of the weights of the labels. For soft targets the
    weight is the mean weight of their classes; PyTorch divides by the number of examples instead.

    Args:
      logits: float [B, K].
      targets: labels int [B], or shares of the classes float [B, K], rows summing to 1.
      label_smoothing: share of the target spread evenly over all classes, 0 to 1.
      class_weights: float [K], or None for 1 everywhere. The weight of a soft target is the mean
        weight of its classes.

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
    gamma: float = _FOCAL_GAMMA,
) -> tuple[jax.Array, jax.Array]:
    """Returns cross-entropy with each term times (1 - p)^gamma, so that easy examples count less.

    Arguments and result are those of `cross_entropy`.

    References:
      Lin et al., Focal Loss for Dense Object Detection, ICCV 2017.
    """
    smooth, weights = _weighted_targets(logits, targets, label_smoothing, class_weights)
    log_probabilities = jax.nn.log_softmax(logits)
    # 1 - p, without the cancellation near p = 1.
    terms = (-jnp.expm1(log_probabilities)) ** gamma * log_probabilities
    return -(smooth * terms).sum(-1), weights


def multi_target(
    logits: jax.Array,
    targets: jax.Array,
    *,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Returns -log max(t * p) of each example: the best-predicted of its targets counts.

    t is 0.999 * target + 0.001, so that a network that is certain of a wrong class still gets a
    gradient. Arguments and result are those of `cross_entropy`; soft `targets` are 0 or 1.

    Raises:
      UserError: `label_smoothing` is not 0; with the maximum it would be another loss.

    References:
      Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
      Label Distribution, ICMI 2016, and its code.
    """
    if label_smoothing:
        raise UserError(
            f"--loss=multi_target takes no --label_smoothing (found {label_smoothing}): the best"
            " of its targets counts. Give --label_smoothing=0, or use --loss=cross_entropy."
        )
    t = (1 - _EPSILON) * soft_targets(targets, logits.shape[-1]).astype(logits.dtype) + _EPSILON
    log_products = jnp.log(t) + jax.nn.log_softmax(logits)
    # On CPU jaxlib's maximum ignores NaN (`ops/pool.py`).
    losses = -jnp.where(jnp.isnan(log_products).any(-1), jnp.nan, log_products.max(-1))
    return losses, _weights(targets, class_weights, losses.dtype)


LOSSES: dict[str, Callable[..., tuple[jax.Array, jax.Array]]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "multi_target": multi_target,
}


def register_loss(name: str, loss: Callable[..., tuple[jax.Array, jax.Array]]) -> None:
    """Adds a loss of the user's own for `--loss=NAME`, with the interface of `cross_entropy`.

    Its targets are labels int [B], or shares float [B, K] where votes, teachers, mixup or cutmix
    make them. A loss that does not support a setting raises `UserError`.

    Raises:
      UserError: the name is one of ferjax's own, or is not an identifier.
    """
    register("loss", name, loss, LOSSES)


def find_loss(name: str) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Returns a loss by name; raises `UserError` for an unknown name."""
    return find("loss", name, LOSSES)


def _weighted_targets(
    logits: jax.Array,
    targets: jax.Array,
    label_smoothing: float,
    class_weights: np.ndarray | None,
) -> tuple[jax.Array, jax.Array]:
    """Returns smoothed targets [B, K] times class weight / example weight, and the weights [B]."""
    smooth = optax.smooth_labels(soft_targets(targets, logits.shape[-1]), label_smoothing)
    weights = _weights(targets, class_weights, logits.dtype)
    if class_weights is not None:
        smooth = smooth * (jnp.asarray(class_weights)[None] / weights[:, None])
    return smooth.astype(logits.dtype), weights


def _weights(targets: jax.Array, class_weights: np.ndarray | None, dtype: Any) -> jax.Array:
    """Returns the weight of each example, float [B]: of its label, or the mean over its targets."""
    if class_weights is None:
        return jnp.ones(len(targets), dtype)
    weights = jnp.asarray(class_weights)
    if jnp.issubdtype(targets.dtype, jnp.integer):
        weights = weights[targets]
    else:
        # The weight of several targets of 1 is the mean of their class weights, not the sum.
        weights = (targets * weights[None]).sum(-1) / targets.sum(-1)
    return jnp.maximum(weights, _LEAST_WEIGHT).astype(dtype)


def inverse_class_weights(counts: np.ndarray) -> np.ndarray:
    """Returns N / (K * count) for each class: 1 on average over the images; 0 for an empty class.

    Args:
      counts: int [K], training images of each class.
    """
    mean = counts.sum() / len(counts)
    return np.where(counts > 0, mean / np.maximum(counts, 1), 0.0)


def effective_class_weights(counts: np.ndarray, beta: float = 0.999) -> np.ndarray:
    """Returns (1 - beta) / (1 - beta^count), scaled to average 1 over the classes.

    The weights are equal for beta 0 and approach inverse class weights for beta near 1. A class
    without images has weight 0 and is left out of the average.

    Args:
      counts: int [K], training images of each class.
      beta: from 0 to below 1; no class has more than 1 / (1 - beta) effective images.

    References:
      Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019.
    """
    present = counts > 0
    weights = np.where(present, (1 - beta) / (1 - beta ** np.maximum(counts, 1)), 0.0)
    return weights * present.sum() / weights.sum()


# Value of --class_weights → function from the number of images of each class to the weights.
CLASS_WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray | None]] = {
    "none": lambda counts: None,
    "inverse": inverse_class_weights,
    "effective": effective_class_weights,
}
