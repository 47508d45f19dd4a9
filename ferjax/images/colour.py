"""Changes to pixels where they stand, on the device: brightness, contrast, erased rectangles."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_LUMA_601 = (0.299, 0.587, 0.114)


class Colour(NamedTuple):
    """Per-image changes of colour, one row an image; 1 leaves an image as it is.

    Attributes:
      brightness: float [B], factor of every pixel.
      contrast: float [B], factor of every pixel's distance from the image's mean grey.
    """

    brightness: jax.Array
    contrast: jax.Array


def to_grey(images: jax.Array) -> jax.Array:
    """Returns the ITU-R 601 luma [B, H, W, 1] of RGB images float [B, H, W, 3]."""
    luma = jnp.array(_LUMA_601)[:, None]
    return jnp.matmul(images, luma, precision=jax.lax.Precision.HIGHEST)


def recolour(images: jax.Array, colour: Colour) -> jax.Array:
    """Returns images brightened, then contrasted, each cut to [0, 255] as in torchvision.

    Args:
      images: float [B, H, W, 1 or 3] on the scale of bytes.
      colour: what to do with each.
    """
    brightness, contrast = (factor[:, None, None, None] for factor in colour)
    images = jnp.clip(images * brightness, 0, 255)
    grey = images if images.shape[-1] == 1 else to_grey(images)
    mean = grey.mean((1, 2, 3), keepdims=True)
    return jnp.clip(contrast * images + (1 - contrast) * mean, 0, 255)


def inside(boxes: jax.Array, size: int) -> jax.Array:
    """Returns bool [B, size, size]: the pixels whose centre lies in each image's box.

    Args:
      boxes: float [B, 4], top, left, bottom, right in fractions of the side; an empty box where
        bottom is top.
      size: side of the images, pixels.
    """
    centres = (jnp.arange(size) + 0.5) / size
    top, left, bottom, right = boxes.T[..., None]
    rows = (centres[None] >= top) & (centres[None] < bottom)
    columns = (centres[None] >= left) & (centres[None] < right)
    return rows[:, :, None] & columns[:, None, :]


def erase(images: jax.Array, boxes: jax.Array) -> jax.Array:
    """Returns square images whose boxes hold the image's own mean colour.

    The mean rather than Zhong et al.'s random bytes: no draw a pixel, no statistics of the data
    set, and a guide network sees the same pixels.

    Args:
      images: float [B, size, size, C].
      boxes: float [B, 4] as `inside` takes them.

    References:
      Zhong et al., Random Erasing Data Augmentation, AAAI 2020.
    """
    mean = images.mean((1, 2), keepdims=True)
    return jnp.where(inside(boxes, images.shape[1])[..., None], mean, images)
