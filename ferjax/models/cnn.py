"""Small plain CNNs: P4's with 3 to 6 convolutional layers (cnn3 to cnn6) and P3's base CNN."""

from collections.abc import Iterator
from typing import Any

import jax
from flax import linen as nn

from ferjax.models.heads import head
from ferjax.models.layers import BatchNorm, Conv
from ferjax.ops.pool import max_pool


def pooled_sides(side: int, depth: int) -> Iterator[int]:
    """Yields the side of the map after each block: halved if the half is at least 3 (P4).

    If a side is to be halved but is odd, the iterator yields 0 and stops.
    """
    for _ in range(depth):
        if side // 2 >= 3:
            if side % 2:
                yield 0
                return
            side //= 2
        yield side


class DepthCNN(nn.Module):
    """P4's CNN of `depth` blocks: 3x3 convolution, batch norm, ReLU, 2x2 max pool.

    Attributes:
      num_classes: number of logits; 0 returns the features before the head instead.
      depth: number of blocks, 3 to 6.
      widths: filters of the blocks, for the deepest network; the first `depth` are used.
      hidden: width of the fully connected layer.
      dropout: rate before and after the fully connected layer.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    num_classes: int
    depth: int
    widths: tuple[int, ...] = (32, 64, 128, 256, 512, 512)
    hidden: int = 256
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, S, S, C] to logits [B, num_classes]; for S see `pooled_sides`."""
        sides = pooled_sides(x.shape[1], self.depth)
        for block, (width, side) in enumerate(zip(self.widths, sides, strict=False), start=1):
            # No bias: the batch norm that follows has one.
            conv = Conv(width, (3, 3), use_bias=False, dtype=self.dtype, name=f"conv{block}")
            norm = BatchNorm(
                use_running_average=not train, momentum=0.9, dtype=self.dtype, name=f"bn{block}"
            )
            x = nn.relu(norm(conv(x)))
            if side < x.shape[1]:
                x = max_pool(x, 2)
        x = x.reshape(x.shape[0], -1)
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout1")(x)
        x = nn.relu(nn.Dense(self.hidden, dtype=self.dtype, name="dense")(x))
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout2")(x)
        return head(x, self.num_classes)


class BaseCNN(nn.Module):
    """P3's base CNN: two 5x5 VALID convolutions, each max-pooled by 2 then ReLU, two dense layers.

    Attributes:
      num_classes: number of logits; 0 returns the features before the head instead.
      widths: filters of the two convolutions.
      hidden: width of the fully connected layer.
      dropout: rate, of whole channels after the second convolution and of features before the head.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    num_classes: int
    widths: tuple[int, int] = (10, 20)
    hidden: int = 50
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, S, S, C], S >= 16 a multiple of 4, to logits [B, num_classes]."""
        x = Conv(self.widths[0], (5, 5), padding="VALID", dtype=self.dtype, name="conv1")(x)
        x = nn.relu(max_pool(x, 2))
        x = Conv(self.widths[1], (5, 5), padding="VALID", dtype=self.dtype, name="conv2")(x)
        drop = nn.Dropout(self.dropout, (1, 2), deterministic=not train, name="channel_dropout")
        x = nn.relu(max_pool(drop(x), 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(self.hidden, dtype=self.dtype, name="dense")(x))
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return head(x, self.num_classes)
