"""The "Awei" network of P5: a plain CNN of five blocks with residual jumpers and a VGG16 guide."""

from typing import Any

import jax
from flax import linen as nn
from jax import lax

from ferjax.models.heads import head
from ferjax.models.layers import Conv, ConvReluMaxPool
from ferjax.models.vgg import VGG16Trunk
from ferjax.ops.pool import max_pool

# A max pool increases the scale of its output. With He's initialisation the output of five blocks
# would be fifteen times too large. Glorot's keeps the scale, because the widths double.
_INIT = nn.initializers.glorot_uniform()

JUMPERS = ("none", "input", "conv1", "staged", "double")
GUIDES = ("none", "vgg16")


class Awei(nn.Module):
    """Awei (P5): trunk of five 3x3 convolutions, each max-pooled by 2, plus a residual jumper.

    The guide is a frozen, pretrained network. Its last map is added to the last map of the trunk,
    before the dropout.

    Attributes:
      num_classes: number of logits; 0 returns the features before the head instead.
      jumper: the residual connection added to the trunk's map [S/32, S/32, 512]. `input`: from the
        image, 512 filters and a 32x32 pool; `conv1`: the same from the output of the first
        convolution; `staged`: from block 1 to 3 and from 3 to 5; `double`: from the image, in two
        steps of convolution and pool; `none`: the plain CNN.
      guide: `vgg16` or `none`; its parameters have the prefix `guide` and get no gradient.
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

        With a guide, `images` may be a pair of arrays, the second normalised for the guide; a
        single array is used for both.
        """
        image, guide_image = images if isinstance(images, tuple) else (images, images)

        def jump(x: jax.Array, features: int, window: int, name: str) -> jax.Array:
            return ConvReluMaxPool(features, window, dtype=self.dtype, name=name)(x)

        residuals: dict[int, jax.Array] = {}  # block → map that is added to its pooled output
        if self.jumper == "input":
            residuals[5] = jump(image, self.widths[4], 32, "jumper")
        elif self.jumper == "double":
            intermediate = jump(image, self.widths[2], 8, "jumper1")
            residuals[5] = jump(intermediate, self.widths[4], 4, "jumper2")
        x = image
        for block, width in enumerate(self.widths, start=1):
            x = nn.relu(
                Conv(width, (3, 3), kernel_init=_INIT, dtype=self.dtype, name=f"conv{block}")(x)
            )
            if self.jumper == "conv1" and block == 1:
                residuals[5] = jump(x, self.widths[4], 32, "jumper")
            x = max_pool(x, 2)
            if block in residuals:
                x = x + residuals[block]
            if self.jumper == "staged" and block == 1:
                residuals[3] = jump(x, self.widths[2], 4, "jumper1")
            if self.jumper == "staged" and block == 3:
                residuals[5] = jump(x, self.widths[4], 4, "jumper2")
        if self.guide == "vgg16":
            x = x + lax.stop_gradient(VGG16Trunk(self.dtype, name="guide")(guide_image))
        x = x.reshape(x.shape[0], -1)
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        x = nn.relu(nn.Dense(self.hidden, kernel_init=_INIT, dtype=self.dtype, name="dense")(x))
        return head(x, self.num_classes)
