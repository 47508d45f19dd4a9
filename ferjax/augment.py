"""Training-time augmentation on the device: presets, and what each draws for a batch."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ferjax.preprocess import Geometry


@dataclass(frozen=True)
class Augment:
    """An augmentation preset.

    Attributes:
      flip: mirror half of the images.
      shift: largest move of the image in each direction, as a fraction of its side.
    """

    flip: bool = False
    shift: float = 0.0


AUGMENTS: dict[str, Augment] = {
    "none": Augment(),
    "flip": Augment(flip=True),
    "standard": Augment(flip=True, shift=0.1),
}


def draw_geometry(
    augment: Augment, key: jax.Array, index: jax.Array, shape: tuple[int, ...]
) -> Geometry | None:
    """Returns the geometry of a batch, or None where the preset moves nothing.

    Args:
      augment: the preset.
      key: the step's key.
      index: int32 [B], each image's position in its split. An image's draw depends on key and
        index alone, so it is the same on any number of devices.
      shape: (H, W) of the images. Shifts are whole source pixels: a resample at native size copies.
    """
    if augment == Augment():
        return None

    def draw(index: jax.Array) -> Geometry:
        flip_key, shift_key = jax.random.split(jax.random.fold_in(key, index))
        flip = jax.random.bernoulli(flip_key) & augment.flip
        side = jnp.array(shape)
        reach = jnp.floor(augment.shift * side)
        pixels = jnp.round(jax.random.uniform(shift_key, (2,), minval=-reach, maxval=reach))
        return Geometry(flip, pixels / side)

    return jax.vmap(draw)(index)
