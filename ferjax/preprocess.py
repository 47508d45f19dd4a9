"""From uint8 images to network input, on the device: shared by train, evaluate and predict."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ferjax.specs import InputSpec

_LUMA_601 = (0.299, 0.587, 0.114)


def _triangle(distance: jax.Array) -> jax.Array:
    return jnp.maximum(1 - distance, 0)


def _keys_cubic(distance: jax.Array) -> jax.Array:
    """Returns Keys' cubic with a = -0.5, as Pillow and `jax.image` have it."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return jnp.where(distance < 1, near, jnp.where(distance < 2, far, 0))


# Interpolation → weight of a source pixel by its distance, in pixels of the coarser grid.
_KERNELS = {"bilinear": _triangle, "bicubic": _keys_cubic}


class Geometry(NamedTuple):
    """Per-image geometry, one row an image.

    Attributes:
      flip: bool [B], mirror left to right.
      shift: float [B, 2], where the image's content moves (down, right), in fractions of its side.
    """

    flip: jax.Array
    shift: jax.Array


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
    luma = jnp.array(_LUMA_601)[:, None]
    return jnp.matmul(images, luma, precision=lax.Precision.HIGHEST).astype(jnp.float32)


def _weights(
    size: int, source: int, shift: jax.Array, flip: jax.Array, interpolation: str
) -> jax.Array:
    """Returns resampling weights [B, size, source]: antialiased, edges continued."""
    scale = source / size
    centre = (jnp.arange(size) + 0.5) * scale - 0.5
    centre = jnp.where(flip[:, None], source - 1 - centre[None], centre[None])
    # A flip mirrors the source, so a shift of the result moves the other way in the source.
    centre = centre - source * jnp.where(flip, -shift, shift)[:, None]
    # What an unmoved enlargement reaches beyond the edge stays: cubic weights differ there.
    beyond = max(0.5 - 0.5 * scale, 0.0)
    centre = jnp.clip(centre, -beyond, source - 1 + beyond)
    distance = jnp.abs(jnp.arange(source)[None, None] - centre[..., None]) / max(scale, 1.0)
    weights = _KERNELS[interpolation](distance)
    return weights / weights.sum(-1, keepdims=True)


def resample(
    images: jax.Array,
    size: int,
    geometry: Geometry | None = None,
    interpolation: str = "bilinear",
) -> jax.Array:
    """Returns images moved and resized to [B, size, size, C] in one antialiased resample.

    Two small matrix products per image. What a shift uncovers repeats the nearest edge. Without
    geometry it equals `jax.image.resize` with `linear` or `cubic`, antialiased.

    Args:
      images: float [B, H, W, C].
      size: side of the result, pixels.
      geometry: per-image moves, or None for a plain resize.
      interpolation: `bilinear` or `bicubic`.
    """
    batch, height, width, _ = images.shape
    if geometry is None:
        if (height, width) == (size, size):
            return images
        geometry = Geometry(jnp.zeros(1, bool), jnp.zeros((1, 2)))
    rows = _weights(
        size, height, geometry.shift[:, 0], jnp.zeros_like(geometry.flip), interpolation
    )
    columns = _weights(size, width, geometry.shift[:, 1], geometry.flip, interpolation)
    rows = jnp.broadcast_to(rows, (batch, size, height))
    columns = jnp.broadcast_to(columns, (batch, size, width))
    # HIGHEST: a GPU's default TF32 product would round pixels to 10 bits.
    images = jnp.einsum("bsh,bhwc->bswc", rows, images, precision=lax.Precision.HIGHEST)
    return jnp.einsum("btw,bswc->bstc", columns, images, precision=lax.Precision.HIGHEST)


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
    images: jax.Array | np.ndarray, spec: InputSpec, geometry: Geometry | None = None
) -> jax.Array:
    """Returns network input float32 [B, size, size, channels] from uint8 [B, H, W, 1 or 3].

    Order: grey/RGB, geometry and resize as one resample, normalisation.
    """
    return normalize(_resized(images, spec, geometry), spec).astype(jnp.float32)


def network_input(
    images: jax.Array | np.ndarray, spec: InputSpec, geometry: Geometry | None = None
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """Returns what the network is called with: `prepare`'s, or a pair where the spec has a guide.

    The guide sees the same moved and resized pixels, normalised in its own way.
    """
    pixels = _resized(images, spec, geometry)
    own = normalize(pixels, spec).astype(jnp.float32)
    if spec.guide is None:
        return own
    return own, normalize(pixels, spec.guide).astype(jnp.float32)


def _resized(
    images: jax.Array | np.ndarray, spec: InputSpec, geometry: Geometry | None
) -> jax.Array:
    pixels = to_channels(images, spec.channels)
    pixels = resample(pixels, spec.size, geometry, spec.interpolation)
    # A cubic overshoots at edges, and bytes cannot.
    return jnp.clip(pixels, 0, 255) if spec.interpolation == "bicubic" else pixels
