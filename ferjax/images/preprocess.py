"""From uint8 images to network input, on the device: shared by train, evaluate and predict."""

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.images.colour import Colour, erase, recolour, to_grey
from ferjax.images.geometry import Geometry, resample
from ferjax.specs import InputSpec


def to_channels(images: jax.Array | np.ndarray, channels: int) -> jax.Array:
    """Returns float32 images of 1 or 3 channels: grey is repeated, RGB is weighed by ITU-R 601.

    Args:
      images: [B, H, W, 1 or 3].
      channels: 1 or 3.
    """
    images = jnp.asarray(images, jnp.float32)
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return jnp.repeat(images, 3, axis=-1)
    return to_grey(images).astype(jnp.float32)


def _statistics(spec: InputSpec) -> tuple[jax.Array, jax.Array]:
    """Returns mean and standard deviation float [1, 1, 1, C]."""
    return jnp.array(spec.mean)[None, None, None], jnp.array(spec.std)[None, None, None]


def normalize(images: jax.Array, spec: InputSpec) -> jax.Array:
    """Returns (images / 255 - mean) / std, channel by channel, in the network's channel order."""
    mean, std = _statistics(spec)
    return (_ordered(images, spec) / 255 - mean) / std


def denormalize(images: jax.Array, spec: InputSpec) -> jax.Array:
    """Returns network input as displayable images in [0, 1]: the inverse of `normalize`."""
    mean, std = _statistics(spec)
    return jnp.clip(_ordered(images * std + mean, spec), 0, 1)


def _ordered(images: jax.Array, spec: InputSpec) -> jax.Array:
    """Returns the channels turned round where the network wants BGR; its own inverse."""
    return images[..., ::-1] if spec.order == "bgr" else images


def prepare(
    images: jax.Array | np.ndarray,
    spec: InputSpec,
    geometry: Geometry | None = None,
    colour: Colour | None = None,
    erased: jax.Array | None = None,
) -> jax.Array:
    """Returns network input float32 [B, size, size, channels] from uint8 [B, H, W, 1 or 3].

    Order: grey/RGB, geometry and resize as one resample, colour, erasing, normalisation.

    Args:
      images: as the host hands them over.
      spec: how they become input.
      geometry: per-image moves, or None.
      colour: per-image changes of colour, or None.
      erased: float [B, 4], a box to erase of each image (`colour.inside`), or None.
    """
    return normalize(_pixels(images, spec, geometry, colour, erased), spec).astype(jnp.float32)


def network_input(
    images: jax.Array | np.ndarray,
    spec: InputSpec,
    geometry: Geometry | None = None,
    colour: Colour | None = None,
    erased: jax.Array | None = None,
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """Returns what the network is called with: `prepare`'s, or a pair where the spec has a guide.

    The guide sees the same moved, resized and recoloured pixels, normalised in its own way.
    """
    pixels = _pixels(images, spec, geometry, colour, erased)
    own = normalize(pixels, spec).astype(jnp.float32)
    if spec.guide is None:
        return own
    return own, normalize(pixels, spec.guide).astype(jnp.float32)


def _pixels(
    images: jax.Array | np.ndarray,
    spec: InputSpec,
    geometry: Geometry | None,
    colour: Colour | None,
    erased: jax.Array | None,
) -> jax.Array:
    """Returns the augmented pixels of the spec's size and channels, before normalisation."""
    pixels = to_channels(images, spec.channels)
    pixels = resample(pixels, spec.size, geometry, spec.interpolation)
    if spec.interpolation == "bicubic":
        # A cubic overshoots at edges, and bytes cannot.
        pixels = jnp.clip(pixels, 0, 255)
    pixels = pixels if colour is None else recolour(pixels, colour)
    return pixels if erased is None else erase(pixels, erased)
