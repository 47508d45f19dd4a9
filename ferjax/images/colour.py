"""Pixel-wise changes on the device: brightness, contrast, grey conversion, random erasing."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_LUMA_601 = (0.299, 0.587, 0.114)


class Colour(NamedTuple):
    """Brightness and contrast factors, one row for each image; 1 changes nothing.

    Attributes:
      brightness: float [B], multiplies every pixel.
      contrast: float [B], multiplies every pixel's distance from the image's mean grey.
    """

    brightness: jax.Array
    contrast: jax.Array


def to_grey(images: jax.Array) -> jax.Array:
    """Returns the ITU-R 601 luma [B, H, W, 1] of RGB images float [B, H, W, 3]."""
    luma = jnp.array(_LUMA_601)[:, None]
    return jnp.matmul(images, luma, precision=jax.lax.Precision.HIGHEST)


def recolour(images: jax.Array, colour: Colour) -> jax.Array:
    """Returns images with brightness, then contrast changed; both clip to [0, 255] (torchvision).

    Args:
      images: float [B, H, W, 1 or 3], values in [0, 255].
      colour: the factors of each image.
    """
    brightness, contrast = (factor[:, None, None, None] for factor in colour)
    images = jnp.clip(images * brightness, 0, 255)
    grey = images if images.shape[-1] == 1 else to_grey(images)
    mean = grey.mean((1, 2, 3), keepdims=True)
    return jnp.clip(contrast * images + (1 - contrast) * mean, 0, 255)


def inside(boxes: jax.Array, size: int) -> jax.Array:
    """Returns a mask bool [B, size, size] of the pixels that have their centre in the image's box.

    Args:
      boxes: float [B, 4], top, left, bottom, right in fractions of the side; a box with equal top
        and bottom is empty.
      size: side of the images, pixels.
    """
    centres = (jnp.arange(size) + 0.5) / size
    top, left, bottom, right = boxes.T[..., None]
    rows = (centres[None] >= top) & (centres[None] < bottom)
    columns = (centres[None] >= left) & (centres[None] < right)
    return rows[:, :, None] & columns[:, None, :]


def erase(images: jax.Array, boxes: jax.Array) -> jax.Array:
    """Returns square images with each image's box filled with its mean colour (random erasing).

    Zhong et al. fill the box with random bytes. The mean needs neither a random value for each
    pixel nor statistics of the data set, and a guide network gets the same pixels.

    Args:
      images: float [B, size, size, C].
      boxes: float [B, 4], see `inside`.

    References:
      Zhong et al., Random Erasing Data Augmentation, AAAI 2020.
    """
    mean = images.mean((1, 2), keepdims=True)
    return jnp.where(inside(boxes, images.shape[1])[..., None], mean, images)
