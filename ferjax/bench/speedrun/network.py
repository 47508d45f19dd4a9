"""The networks of the suite `speedrun`: `fernet_s`, or the same behind a whitening first layer."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from ferjax.bench.speedrun.recipes import SpeedRecipe
from ferjax.models.fernet import FerNet
from ferjax.models.heads import classify
from ferjax.models.layers import BatchNorm, Conv, full_precision
from ferjax.models.resnet import padded_conv, residual_stages

# Path of the frozen filters among the parameters.
WHITENING_KERNEL = "whitening/kernel"


class WhitenedFerNet(nn.Module):
    """`FerNet` whose first layer is a convolution of stride 2 with filters that are not trained.

    Attributes:
      num_classes: number of logits.
      whitening: side of the filters.
      stage_sizes: number of basic blocks in each stage; every stage halves the map.
      widths: filters of each stage.
      dropout: rate before the head.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    num_classes: int
    whitening: int
    stage_sizes: tuple[int, ...]
    widths: tuple[int, ...]
    dropout: float = 0.0
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, S, S, 1], S a multiple of 8, to logits float [B, num_classes]."""
        norm = partial(BatchNorm, use_running_average=not train, dtype=self.dtype)
        whiten = Conv(
            2 * self.whitening**2,
            (self.whitening, self.whitening),
            2,
            padding=(self.whitening - 1) // 2,
            dtype=self.dtype,
            name="whitening",
        )
        x = residual_stages(
            nn.relu(whiten(x)),
            "basic",
            self.stage_sizes,
            self.widths,
            partial(padded_conv, dtype=self.dtype),
            norm,
            first_stride=2,
        )
        return classify(
            full_precision(x).mean((1, 2)),
            self.num_classes,
            widths=(),
            dropout=self.dropout,
            train=train,
            dtype=self.dtype,
        )


def build_network(recipe: SpeedRecipe, classes: int) -> nn.Module:
    """Returns the network of a recipe."""
    dtype = None if recipe.dtype == "float32" else jnp.dtype(recipe.dtype)
    shared: dict[str, Any] = dict(
        num_classes=classes,
        stage_sizes=recipe.stage_sizes,
        widths=recipe.widths,
        dropout=recipe.dropout,
        dtype=dtype,
    )
    if recipe.whitening:
        return WhitenedFerNet(whitening=recipe.whitening, **shared)
    return FerNet(stem_width=recipe.stem_width, **shared)


def frozen_parameters(recipe: SpeedRecipe) -> str | None:
    """Returns a regular expression on the paths of parameters that are not trained, or None."""
    return WHITENING_KERNEL if recipe.whitening else None
