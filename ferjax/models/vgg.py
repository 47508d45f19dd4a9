"""VGG16 and VGG19 without batch norm, as in torchvision, and the VGG16 trunk that guides Awei."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
from flax import linen as nn

from ferjax.models.heads import classify
from ferjax.models.layers import Conv, adaptive_mean_pool, full_precision
from ferjax.ops.pool import max_pool

POOLINGS = ("flatten", "mean")

# Side of the map that the published classifier flattens: 224 px halved five times.
_SIDE = 7

_WIDTHS = (64, 128, 256, 512, 512)
_SIZES_16 = (2, 2, 3, 3, 3)

_CONV_INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
_DENSE_INIT = nn.initializers.normal(0.01)


class VGGStage(nn.Module):
    """3x3 convolutions with bias and ReLU, then a 2x2 max pool.

    Attributes:
      size: number of convolutions.
      width: filters of each convolution.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    size: int
    width: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps float [B, H, W, C] to [B, H // 2, W // 2, width]."""
        for i in range(1, self.size + 1):
            conv = Conv(
                self.width,
                (3, 3),
                padding=1,
                kernel_init=_CONV_INIT,
                dtype=self.dtype,
                name=f"conv{i}",
            )
            x = nn.relu(conv(x))
        # With an explicit stride the pool accepts an odd map and drops its last row and column.
        return max_pool(x, 2, stride=2)


def run_stages(
    x: jax.Array, sizes: Sequence[int], widths: Sequence[int], dtype: Any = None
) -> jax.Array:
    """Returns the map of the last stage; adds submodules `stage1`, ... to the calling module."""
    for stage, (size, width) in enumerate(zip(sizes, widths, strict=True), start=1):
        x = VGGStage(size, width, dtype, name=f"stage{stage}")(x)
    return x


class VGG16Trunk(nn.Module):
    """The convolutional part of VGG16, without pooling to features and without the classifier.

    Attributes:
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps images float [B, H, W, 3] to [B, H // 32, W // 32, 512]."""
        return run_stages(x, _SIZES_16, _WIDTHS, self.dtype)


class VGG(nn.Module):
    """VGG: stages of convolutions, pooling, dense layers, head.

    Attributes:
      num_classes: number of logits; 0 returns the features before the head instead.
      stage_sizes: number of convolutions in each stage; every stage halves the map.
      widths: filters of each stage.
      pooling: `flatten`: adaptive mean pool to 7x7, flattened as rows, columns, channels; `mean`:
        global average pool.
      head_widths: widths of the dense layers before the head.
      dropout: rate after each of these dense layers, or before the head if there are none.
      dtype: computation dtype; None takes the promotion of input and parameters.

    References:
      Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition,
      2015, table 1, configurations D and E.
    """

    num_classes: int
    stage_sizes: tuple[int, ...]
    widths: tuple[int, ...] = _WIDTHS
    pooling: str = "flatten"
    head_widths: tuple[int, ...] = (4096, 4096)
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, H, W, C] to logits or features, float [B, K], at least float32."""
        x = run_stages(x, self.stage_sizes, self.widths, self.dtype)
        if self.pooling == "flatten":
            x = adaptive_mean_pool(x, _SIDE)
            x = x.reshape(x.shape[0], -1)
        else:
            x = full_precision(x).mean((1, 2))
        return classify(
            x,
            self.num_classes,
            widths=self.head_widths,
            dropout=self.dropout,
            train=train,
            dtype=self.dtype,
            init=_DENSE_INIT,
        )


VGG16 = partial(VGG, stage_sizes=_SIZES_16)
VGG19 = partial(VGG, stage_sizes=(2, 2, 4, 4, 4))
