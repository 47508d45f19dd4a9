"""EfficientNet B0, B1 and B2: inverted bottleneck blocks (MBConv), scaled in width and depth."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from flax import linen as nn

from ferjax.models.heads import classify
from ferjax.models.layers import BatchNorm, Conv, StochasticDepth, full_precision

PADDINGS = ("symmetric", "same")

_INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
# The fan-out of one channel of a depthwise kernel [k, k, 1, C] is k², not k² C.
_DEPTHWISE_INIT = nn.initializers.variance_scaling(
    2.0, "fan_out", "normal", in_axis=-1, out_axis=-2
)
# Uniform within ±1 / sqrt(outputs).
_DENSE_INIT = nn.initializers.variance_scaling(1 / 3, "fan_out", "uniform")


class Stage(NamedTuple):
    """A stage: successive blocks at one resolution.

    Attributes:
      expansion: ratio of the channels inside a block to its input channels.
      kernel: side of the depthwise kernel.
      stride: stride of the first block; the others have stride 1.
      width: output channels of each block, before scaling.
      repeats: number of blocks, before scaling.
    """

    expansion: int
    kernel: int
    stride: int
    width: int
    repeats: int


STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)


def round_filters(filters: int, factor: float) -> int:
    """Returns `filters` times `factor`, rounded to a multiple of 8 that is at most 10 % smaller."""
    scaled = filters * factor
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def round_repeats(repeats: int, factor: float) -> int:
    """Returns `repeats` times `factor`, rounded up."""
    return math.ceil(repeats * factor)


class MBConv(nn.Module):
    """Inverted bottleneck: expand 1x1, depthwise, squeeze and excite, project 1x1, shortcut.

    Attributes:
      expansion: ratio of inner to input channels; with 1 there is no expanding convolution.
      kernel: side of the depthwise kernel.
      stride: stride of the depthwise convolution.
      width: number of output channels.
      conv: (filters, side of the kernel, stride, name) → convolution; with `depthwise=True` one
        kernel for each channel.
      norm: (name=) → batch norm.
      drop: (name=) → stochastic depth of the residual branch.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    expansion: int
    kernel: int
    stride: int
    width: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    drop: Callable[..., nn.Module]
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps float [B, H, W, C] to [B, ceil(H / stride), ceil(W / stride), width]."""
        inputs, channels = x, x.shape[-1]
        inside = channels * self.expansion
        if self.expansion > 1:
            x = self.conv(inside, 1, 1, "expand_conv")(x)
            x = nn.silu(self.norm(name="expand_bn")(x))
        x = self.conv(inside, self.kernel, self.stride, "dw_conv", depthwise=True)(x)
        x = nn.silu(self.norm(name="dw_bn")(x))
        # The squeezed width is a quarter of the block's input channels, not of the expanded ones.
        dense = partial(nn.Dense, dtype=self.dtype, kernel_init=_INIT)
        gate = full_precision(x).mean((1, 2))
        gate = nn.silu(dense(max(1, channels // 4), name="se_reduce")(gate))
        gate = nn.sigmoid(dense(inside, name="se_expand")(gate))
        x = x * gate[:, None, None, :]
        x = self.conv(self.width, 1, 1, "project_conv")(x)
        x = self.norm(name="project_bn")(x)
        if self.stride > 1 or channels != self.width:
            return x
        return self.drop(name="drop")(x) + inputs


class EfficientNet(nn.Module):
    """EfficientNet: stem, stages of inverted bottlenecks, 1x1 top, global average pool, head.

    Attributes:
      num_classes: number of logits; 0 returns the features before the head instead.
      width_factor: multiplies all widths.
      depth_factor: multiplies the numbers of blocks.
      stages: the table before scaling.
      stem_width: filters of the stem, before scaling.
      top_width: filters of the last convolution, before scaling.
      padding: `symmetric`: k // 2 zeros on both sides, as in PyTorch; `same`: as in TensorFlow,
        which at stride 2 adds one more zero at the end of an even map.
      head_widths: widths of the dense layers before the head.
      dropout: rate after each of these dense layers, or before the head if there are none.
      stochastic_depth: largest probability of dropping a block's residual branch; block k of n
        (from 0) is dropped with k / n times this probability.
      bn_eps: added to the variance in batch norm.
      bn_momentum: weight of the old running statistics in a step (1 minus torch's momentum).
      dtype: computation dtype; None takes the promotion of input and parameters.

    References:
      Tan and Le, EfficientNet: rethinking model scaling for convolutional neural networks, 2019,
      table 1.
    """

    num_classes: int
    width_factor: float = 1.0
    depth_factor: float = 1.0
    stages: tuple[Stage, ...] = STAGES
    stem_width: int = 32
    top_width: int = 1280
    padding: str = "symmetric"
    head_widths: tuple[int, ...] = ()
    dropout: float = 0.2
    stochastic_depth: float = 0.0
    bn_eps: float = 1e-5
    bn_momentum: float = 0.9
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, H, W, C] to logits or features, float [B, K], at least float32."""

        def conv(
            features: int, side: int, stride: int, name: str, *, depthwise: bool = False
        ) -> nn.Module:
            return Conv(
                features,
                (side, side),
                stride,
                padding="SAME" if self.padding == "same" else side // 2,
                feature_group_count=features if depthwise else 1,
                use_bias=False,
                kernel_init=_DEPTHWISE_INIT if depthwise else _INIT,
                dtype=self.dtype,
                name=name,
            )

        norm = partial(
            BatchNorm,
            use_running_average=not train,
            momentum=self.bn_momentum,
            epsilon=self.bn_eps,
            dtype=self.dtype,
        )
        widen = partial(round_filters, factor=self.width_factor)
        x = conv(widen(self.stem_width), 3, 2, "stem_conv")(x)
        x = nn.silu(norm(name="stem_bn")(x))
        repeats = [round_repeats(stage.repeats, self.depth_factor) for stage in self.stages]
        rates = iter(self.stochastic_depth * k / sum(repeats) for k in range(sum(repeats)))
        for number, (stage, count) in enumerate(zip(self.stages, repeats, strict=True), start=1):
            for i in range(count):
                drop = partial(StochasticDepth, next(rates), deterministic=not train)
                x = MBConv(
                    stage.expansion,
                    stage.kernel,
                    stage.stride if i == 0 else 1,
                    widen(stage.width),
                    conv,
                    norm,
                    drop,
                    self.dtype,
                    name=f"stage{number}_block{i}",
                )(x)
        x = conv(widen(self.top_width), 1, 1, "top_conv")(x)
        x = nn.silu(norm(name="top_bn")(x))
        return classify(
            full_precision(x).mean((1, 2)),
            self.num_classes,
            widths=self.head_widths,
            dropout=self.dropout,
            train=train,
            dtype=self.dtype,
            init=_DENSE_INIT,
        )


EfficientNetB0 = EfficientNet
EfficientNetB1 = partial(EfficientNet, depth_factor=1.1)
EfficientNetB2 = partial(EfficientNet, width_factor=1.1, depth_factor=1.2, dropout=0.3)
