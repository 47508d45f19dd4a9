"""Preprocessing of uint8 images to network input: channels, resize, augmentation, normalisation."""

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.errors import UserError
from ferjax.images.colour import Colour, erase, recolour, to_grey
from ferjax.images.geometry import Geometry, resample
from ferjax.specs import InputSpec


def to_channels(images: jax.Array | np.ndarray, channels: int) -> jax.Array:
    """Returns float32 images of 1 or 3 channels: grey is repeated, RGB becomes ITU-R 601 luma.

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
    """Returns (images / 255 - mean) / std for each channel, in the network's channel order."""
    mean, std = _statistics(spec)
    return (_reorder_channels(images, spec) / 255 - mean) / std


def denormalize(images: jax.Array, spec: InputSpec) -> jax.Array:
    """Returns network input as displayable images in [0, 1]: the inverse of `normalize`."""
    mean, std = _statistics(spec)
    return jnp.clip(_reorder_channels(images * std + mean, spec), 0, 1)


def _reorder_channels(images: jax.Array, spec: InputSpec) -> jax.Array:
    """Returns the channels in reverse if the network takes BGR; the function is its own inverse."""
    return images[..., ::-1] if spec.order == "bgr" else images


def prepare(
    images: jax.Array | np.ndarray,
    spec: InputSpec,
    geometry: Geometry | None = None,
    colour: Colour | None = None,
    erased: jax.Array | None = None,
) -> jax.Array:
    """Returns network input float32 [B, size, size, channels] from uint8 [B, H, W, 1 or 3].

    Order: grey/RGB conversion, geometry and resize in one resample, colour, erasing,
    normalisation.

    Args:
      images: the images as the data loader returns them.
      spec: the size, channels and normalisation of the network's input.
      geometry: geometric transformation of each image, or None.
      colour: brightness and contrast of each image, or None.
      erased: float [B, 4], a box to erase from each image (see `colour.inside`), or None.

    Raises:
      UserError: images of floats: most are in [0, 1], and would become almost black.
    """
    check_pixels(images)
    return normalize(_pixels(images, spec, geometry, colour, erased), spec).astype(jnp.float32)


def check_pixels(images: jax.Array | np.ndarray) -> None:
    """Raises `UserError` for images of floating-point numbers, whose range is not known."""
    if jnp.issubdtype(images.dtype, jnp.floating):
        raise UserError(
            f"images are {images.dtype}: uint8 expected, 0 to 255. Convert images in [0, 1] by"
            " (255 * images).round().astype('uint8'). An augmentation of your own that returns"
            " floats goes to `ferjax.augment` as a function."
        )


def prepare_floats(images: jax.Array | np.ndarray, spec: InputSpec) -> jax.Array:
    """Returns network input as `prepare`, from images that may also be float in [0, 255]."""
    return normalize(_pixels(images, spec), spec).astype(jnp.float32)


def network_input(
    images: jax.Array | np.ndarray,
    spec: InputSpec,
    geometry: Geometry | None = None,
    colour: Colour | None = None,
    erased: jax.Array | None = None,
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """Returns the network's input: as `prepare`, or a pair of arrays if the spec has a guide.

    The guide network gets the same augmented pixels, normalised by the guide's own spec.
    """
    pixels = _pixels(images, spec, geometry, colour, erased)
    inputs = normalize(pixels, spec).astype(jnp.float32)
    if spec.guide is None:
        return inputs
    return inputs, normalize(pixels, spec.guide).astype(jnp.float32)


def _pixels(
    images: jax.Array | np.ndarray,
    spec: InputSpec,
    geometry: Geometry | None = None,
    colour: Colour | None = None,
    erased: jax.Array | None = None,
) -> jax.Array:
    """Returns the augmented pixels of the spec's size and channels, before normalisation."""
    pixels = to_channels(images, spec.channels)
    pixels = resample(pixels, spec.size, geometry, spec.interpolation)
    if spec.interpolation == "bicubic":
        # Cubic interpolation overshoots at edges, beyond the range of bytes.
        pixels = jnp.clip(pixels, 0, 255)
    pixels = pixels if colour is None else recolour(pixels, colour)
    return pixels if erased is None else erase(pixels, erased)
