"""The depth-varied CNNs of P4 and the base CNN of P3."""

from collections.abc import Iterator
from typing import Any

import jax
from flax import linen as nn

from ferjax.models.heads import head
from ferjax.models.layers import BatchNorm, Conv
from ferjax.ops.pool import max_pool


def pooled_sides(side: int, depth: int) -> Iterator[int]:
    """Yields the map's side after each block: halved while half of it is at least 3 (P4).

    A side that ought to be halved and is odd yields 0, and ends the walk.
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
      num_classes: number of logits; 0 returns what would enter the head instead.
      depth: number of blocks, 3 to 6.
      widths: filters of the blocks, as many as the deepest net has.
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
        """Maps images float [B, S, S, C] to logits [B, num_classes]; S as `pooled_sides` says."""
        sides = pooled_sides(x.shape[1], self.depth)
        for block, (width, side) in enumerate(zip(self.widths, sides, strict=False), start=1):
            # The batch norm that follows has a bias of its own.
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
      num_classes: number of logits; 0 returns what would enter the head instead.
      widths: filters of the two convolutions.
      hidden: width of the fully connected layer.
      dropout: rate over whole channels after the second convolution, and before the head.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    num_classes: int
    widths: tuple[int, int] = (10, 20)
    hidden: int = 50
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, S, S, C], S a multiple of 4 from 16 on, to logits [B, K]."""
        x = Conv(self.widths[0], (5, 5), padding="VALID", dtype=self.dtype, name="conv1")(x)
        x = nn.relu(max_pool(x, 2))
        x = Conv(self.widths[1], (5, 5), padding="VALID", dtype=self.dtype, name="conv2")(x)
        drop = nn.Dropout(self.dropout, (1, 2), deterministic=not train, name="channel_dropout")
        x = nn.relu(max_pool(drop(x), 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(self.hidden, dtype=self.dtype, name="dense")(x))
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return head(x, self.num_classes)
