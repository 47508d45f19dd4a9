"""The "Awei" network of P5: a five-block plain CNN with a residual jumper around it."""

from typing import Any

import jax
from flax import linen as nn
from jax import lax

from ferjax.models.heads import head
from ferjax.models.layers import Conv, ConvReluMaxPool
from ferjax.models.vgg import VGG16Trunk
from ferjax.ops.pool import max_pool

# A max pool raises the scale of what it passes on, and He's initialisation with it: five blocks
# would start fifteen times too large. Glorot's, with widths that double, keeps the scale.
_INIT = nn.initializers.glorot_uniform()

JUMPERS = ("none", "input", "conv1", "staged", "double")
GUIDES = ("none", "vgg16")


class Awei(nn.Module):
    """Awei (P5): trunk of five 3x3 convolutions, each max-pooled by 2, plus a residual jumper.

    A guide is a frozen, pretrained network whose last map is added too, before the dropout.

    Attributes:
      num_classes: number of logits; 0 returns what would enter the head instead.
      jumper: what is added to the trunk's (S/32)²x512 map. `input`: the image through 512 filters
        and a 32x32 pool; `conv1`: the first convolution's output likewise; `staged`: block 1 to 3
        to 5; `double`: the image in two convolution + pool steps; `none`: the plain CNN.
      guide: `vgg16` or `none`; its parameters stand under `guide` and get no gradient.
      widths: filters of the five convolutions.
      hidden: width of the fully connected layer.
      dropout: rate before the fully connected layer.
      dtype: computation dtype; None takes the promotion of input and parameters.
    """

    num_classes: int
    jumper: str = "input"
    guide: str = "none"
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    hidden: int = 1792
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array | tuple[jax.Array, ...], *, train: bool) -> jax.Array:
        """Maps images float [B, S, S, 3], S a multiple of 32, to logits [B, num_classes].

        With a guide: a pair of arrays, the second normalised as the guide wants it; one array
        alone serves both.
        """
        image, guided = images if isinstance(images, tuple) else (images, images)

        def jump(x: jax.Array, features: int, window: int, name: str) -> jax.Array:
            return ConvReluMaxPool(features, window, dtype=self.dtype, name=name)(x)

        arrivals: dict[int, jax.Array] = {}  # block → what joins its pooled output
        if self.jumper == "input":
            arrivals[5] = jump(image, self.widths[4], 32, "jumper")
        elif self.jumper == "double":
            near = jump(image, self.widths[2], 8, "jumper1")
            arrivals[5] = jump(near, self.widths[4], 4, "jumper2")
        x = image
        for block, width in enumerate(self.widths, start=1):
            x = nn.relu(
                Conv(width, (3, 3), kernel_init=_INIT, dtype=self.dtype, name=f"conv{block}")(x)
            )
            if self.jumper == "conv1" and block == 1:
                arrivals[5] = jump(x, self.widths[4], 32, "jumper")
            x = max_pool(x, 2)
            if block in arrivals:
                x = x + arrivals[block]
            if self.jumper == "staged" and block == 1:
                arrivals[3] = jump(x, self.widths[2], 4, "jumper1")
            if self.jumper == "staged" and block == 3:
                arrivals[5] = jump(x, self.widths[4], 4, "jumper2")
        if self.guide == "vgg16":
            x = x + lax.stop_gradient(VGG16Trunk(self.dtype, name="guide")(guided))
        x = x.reshape(x.shape[0], -1)
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        x = nn.relu(nn.Dense(self.hidden, kernel_init=_INIT, dtype=self.dtype, name="dense")(x))
        return head(x, self.num_classes)
