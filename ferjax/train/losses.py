"""Training losses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax


def cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    *,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Returns softmax cross-entropy and weight of each example.

    The batch's loss is sum(loss * weight) / sum(weight): a weighted mean, as in PyTorch.

    Args:
      logits: float [B, K].
      labels: int [B].
      label_smoothing: share of the target spread evenly over all classes, 0 to 1.
      class_weights: float [K], or None for 1 everywhere.

    Returns:
      loss float [B] and weight float [B].
    """
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), label_smoothing)
    losses = optax.softmax_cross_entropy(logits, targets.astype(logits.dtype))
    weights = jnp.ones_like(losses) if class_weights is None else jnp.asarray(class_weights)[labels]
    return losses, weights.astype(losses.dtype)


def inverse_class_weights(counts: np.ndarray) -> np.ndarray:
    """Returns N / (K * count) for each class: 1 on average over the images; 0 for an empty class.

    Args:
      counts: int [K], training images of each class.
    """
    mean = counts.sum() / len(counts)
    return np.where(counts > 0, mean / np.maximum(counts, 1), 0.0)
