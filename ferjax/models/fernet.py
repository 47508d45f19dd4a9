"""FerNet: a small residual network for faces of 48 pixels, fast on CPUs."""

from functools import partial
from typing import Any

import jax
from flax import linen as nn

from ferjax.models.heads import classify
from ferjax.models.layers import BatchNorm, full_precision
from ferjax.models.resnet import padded_conv, residual_stages


class FerNet(nn.Module):
    """Residual network whose stem turns squares of 2x2 pixels into channels.

    On a CPU the time of a convolution of the full image with one channel is nearly all memory
    traffic. After the rearrangement the convolution has a quarter of the positions, and no pixel is
    lost. A face of 48 pixels has a side of 24 after the stem, then of 12 and 6.

    Attributes:
      num_classes: number of logits; 0 returns the features before the head instead.
      stem_width: filters of the stem.
      stage_sizes: number of basic blocks in each stage; every stage halves the map.
      widths: filters of each stage.
      head_widths: widths of the dense layers before the head.
      dropout: rate before the head.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    num_classes: int
    stem_width: int = 48
    stage_sizes: tuple[int, ...] = (1, 2)
    widths: tuple[int, ...] = (64, 128)
    head_widths: tuple[int, ...] = ()
    dropout: float = 0.2
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, S, S, C], S a multiple of 8, to logits float [B, num_classes]."""
        conv = partial(padded_conv, dtype=self.dtype)
        norm = partial(BatchNorm, use_running_average=not train, dtype=self.dtype)
        x = conv(self.stem_width, 3, 1, "stem_conv")(squares_to_channels(x))
        x = nn.relu(norm(name="stem_bn")(x))
        x = residual_stages(x, "basic", self.stage_sizes, self.widths, conv, norm, first_stride=2)
        return classify(
            full_precision(x).mean((1, 2)),
            self.num_classes,
            widths=self.head_widths,
            dropout=self.dropout,
            train=train,
            dtype=self.dtype,
        )


def squares_to_channels(x: jax.Array) -> jax.Array:
    """Returns the pixels of each 2x2 square as channels: [B, H, W, C] → [B, H/2, W/2, 4C].

    Channel 2 C i + C j + c is channel c of the pixel in row i and column j of the square, as
    `tf.nn.space_to_depth` orders them.
    """
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return squares.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)
