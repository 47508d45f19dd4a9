"""Classification head: dense layers, dropout and logits after a network's pooled features."""

from collections.abc import Sequence
from typing import Any

import jax
from flax import linen as nn

from ferjax.models.layers import full_precision

# Linen's default for dense layers.
_INIT = nn.initializers.lecun_normal()


def head(
    features: jax.Array, num_classes: int, *, init: nn.initializers.Initializer = _INIT
) -> Any:
    """Returns logits, or the features if `num_classes` is 0, in at least float32.

    Call this inside a module's `__call__`: it adds a submodule `head` to that module.

    Args:
      features: float [B, F].
      num_classes: number of logits; 0 returns the features.
      init: initializer of the kernel.

    Returns:
      float [B, num_classes] or [B, F].
    """
    features = full_precision(features)
    if not num_classes:
        return features
    return nn.Dense(num_classes, kernel_init=init, name="head")(features)


def classify(
    features: jax.Array,
    num_classes: int,
    *,
    widths: Sequence[int],
    dropout: float,
    train: bool,
    dtype: Any = None,
    init: nn.initializers.Initializer = _INIT,
) -> Any:
    """Returns the logits of the features after dense layers with ReLU and dropout.

    Dropout follows every hidden layer; if there is none, it comes before the head. Call this inside
    a module's `__call__`: it adds submodules `head_dense1`, ... and `head` to that module.

    Args:
      features: float [B, F].
      num_classes: number of logits; 0 returns the features before the head.
      widths: widths of the hidden layers.
      dropout: dropout rate.
      train: whether dropout is active.
      dtype: computation dtype of the hidden layers; None takes the promotion of input and
        parameters.
      init: initializer of the kernels.

    Returns:
      float [B, num_classes], or [B, last width or F], at least float32.
    """
    for i, width in enumerate(widths, start=1):
        dense = nn.Dense(width, kernel_init=init, dtype=dtype, name=f"head_dense{i}")
        features = nn.relu(dense(features))
        features = nn.Dropout(dropout, deterministic=not train, name=f"dropout{i}")(features)
    if not widths:
        features = nn.Dropout(dropout, deterministic=not train, name="dropout")(features)
    return head(features, num_classes, init=init)


class Head(nn.Module):
    """The head alone, for precomputed features; parameter names are those of the whole network.

    Attributes:
      num_classes: number of logits.
      widths: widths of the hidden layers.
      dropout: dropout rate.
      dtype: computation dtype of the hidden layers.
    """

    num_classes: int
    widths: tuple[int, ...] = ()
    dropout: float = 0.0
    dtype: Any = None

    @nn.compact
    def __call__(self, features: jax.Array, *, train: bool) -> jax.Array:
        """Maps float [B, F] to logits [B, num_classes]."""
        return classify(
            features,
            self.num_classes,
            widths=self.widths,
            dropout=self.dropout,
            train=train,
            dtype=self.dtype,
        )


def build_head(network: Any) -> Head:
    """Returns the head of a network that ends in `classify`, as a separate module."""
    return Head(network.num_classes, network.head_widths, network.dropout, network.dtype)
