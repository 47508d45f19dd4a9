"""ResNet 18, 34, 50, 101 and 152: residual networks as in torchvision ("v1.5") or Keras ("v1")."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
from flax import linen as nn

from ferjax.models.heads import classify
from ferjax.models.layers import BatchNorm, Conv, full_precision
from ferjax.ops.pool import max_pool

# The convolutions of a block in order: side of the kernel, ratio of filters to the stage's width,
# and whether this convolution has the block's stride.
BLOCKS: dict[str, tuple[tuple[int, int, bool], ...]] = {
    "basic": ((3, 1, True), (3, 1, False)),
    "bottleneck": ((1, 1, False), (3, 1, True), (1, 4, False)),
    "bottleneck_v1": ((1, 1, True), (3, 1, False), (1, 4, False)),
}

# The layers before the first stage. `imagenet`: 7x7 convolution of stride 2 and max pool, a quarter
# of the image's side. `small`: 3x3 convolution of stride 1 and no pool, as for CIFAR: a face of 48
# pixels keeps a last map of 6x6.
STEMS = ("imagenet", "small")

# He's initialisation by fan-out, which keeps the scale of the gradients.
_INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class ResidualBlock(nn.Module):
    """Residual block: relu(shortcut(x) + branch(x)); the branch is convolutions and batch norms.

    Attributes:
      kind: a key of `BLOCKS`.
      width: filters of the stage.
      stride: 2 if the block halves the map, else 1.
      conv: (filters, side of the kernel, stride, name) → convolution.
      norm: (name=) → batch norm.
    """

    kind: str
    width: int
    stride: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps float [B, H, W, C] to [B, ceil(H / stride), ceil(W / stride), filters]."""
        branch = x
        for i, (side, expansion, strided) in enumerate(BLOCKS[self.kind], start=1):
            if i > 1:
                branch = nn.relu(branch)
            stride = self.stride if strided else 1
            branch = self.conv(self.width * expansion, side, stride, f"conv{i}")(branch)
            branch = self.norm(name=f"bn{i}")(branch)
        if self.stride > 1 or x.shape[-1] != branch.shape[-1]:
            x = self.conv(branch.shape[-1], 1, self.stride, "downsample_conv")(x)
            x = self.norm(name="downsample_bn")(x)
        return nn.relu(x + branch)


def padded_conv(
    features: int, side: int, stride: int, name: str, *, use_bias: bool = False, dtype: Any = None
) -> nn.Module:
    """Returns a convolution padded on all sides by half its kernel, initialised by fan-out.

    SAME would pad an even map at its end only.
    """
    return Conv(
        features,
        (side, side),
        stride,
        padding=side // 2,
        use_bias=use_bias,
        kernel_init=_INIT,
        dtype=dtype,
        name=name,
    )


def residual_stages(
    x: jax.Array,
    kind: str,
    sizes: Sequence[int],
    widths: Sequence[int],
    conv: Callable[..., nn.Module],
    norm: Callable[..., nn.Module],
    *,
    first_stride: int = 1,
) -> jax.Array:
    """Returns the map after stages of residual blocks `stage1_block0`, `stage1_block1` and so on.

    Call this inside a module's `__call__`: the blocks are submodules of that module.

    Args:
      x: float [B, H, W, C].
      kind: a key of `BLOCKS`.
      sizes: number of blocks in each stage.
      widths: filters of each stage, before the expansion of a bottleneck.
      conv: as `ResidualBlock` takes it.
      norm: as `ResidualBlock` takes it.
      first_stride: stride of the first stage; every later one halves the map.
    """
    for stage, (size, width) in enumerate(zip(sizes, widths, strict=True), start=1):
        for i in range(size):
            stage_stride = first_stride if stage == 1 else 2
            stride = stage_stride if i == 0 else 1
            name = f"stage{stage}_block{i}"
            x = ResidualBlock(kind, width, stride, conv, norm, name=name)(x)
    return x


class ResNet(nn.Module):
    """Residual network: stem, stages of blocks, global average pool, head.

    Attributes:
      num_classes: number of logits; 0 returns the features before the head instead.
      stage_sizes: number of blocks in each stage; every stage but the first halves the map.
      block: kind of block, `basic` or `bottleneck`.
      widths: filters of each stage, before the expansion of a bottleneck; the stem has as many
        filters as the first stage.
      stem: a name of `STEMS`.
      head_widths: widths of the dense layers before the head.
      dropout: rate after each of these dense layers, or before the head if there are none.
      conv_bias: whether convolutions have a bias, as in Keras.
      stride_on_3x3: whether the 3x3 convolution of a bottleneck has the stride; if not, its first
        1x1 convolution has it, as in Keras.
      bn_eps: added to the variance in batch norm.
      bn_momentum: weight of the old running statistics in a step (1 minus torch's momentum).
      dtype: computation dtype; None takes the promotion of input and parameters.

    References:
      He et al., Deep residual learning for image recognition, 2016, table 1.
    """

    num_classes: int
    stage_sizes: tuple[int, ...]
    block: str
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: str = "imagenet"
    head_widths: tuple[int, ...] = ()
    dropout: float = 0.0
    conv_bias: bool = False
    stride_on_3x3: bool = True
    bn_eps: float = 1e-5
    bn_momentum: float = 0.9
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, H, W, C] to logits or features, float [B, K], at least float32."""
        conv = partial(padded_conv, use_bias=self.conv_bias, dtype=self.dtype)
        norm = partial(
            BatchNorm,
            use_running_average=not train,
            momentum=self.bn_momentum,
            epsilon=self.bn_eps,
            dtype=self.dtype,
        )
        small = self.stem == "small"
        x = conv(self.widths[0], 3 if small else 7, 1 if small else 2, "stem_conv")(x)
        x = nn.relu(norm(name="stem_bn")(x))
        if not small:
            x = max_pool(x, 3, stride=2, padding=1)
        v1 = self.block == "bottleneck" and not self.stride_on_3x3
        block = "bottleneck_v1" if v1 else self.block
        x = residual_stages(x, block, self.stage_sizes, self.widths, conv, norm)
        return classify(
            full_precision(x).mean((1, 2)),
            self.num_classes,
            widths=self.head_widths,
            dropout=self.dropout,
            train=train,
            dtype=self.dtype,
        )


ResNet18 = partial(ResNet, stage_sizes=(2, 2, 2, 2), block="basic")
ResNet34 = partial(ResNet, stage_sizes=(3, 4, 6, 3), block="basic")
ResNet50 = partial(ResNet, stage_sizes=(3, 4, 6, 3), block="bottleneck")
ResNet101 = partial(ResNet, stage_sizes=(3, 4, 23, 3), block="bottleneck")
ResNet152 = partial(ResNet, stage_sizes=(3, 8, 36, 3), block="bottleneck")
