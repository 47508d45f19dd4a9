"""Geometry on the device: move, mirror, turn and resize images in one antialiased resample."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


def _triangle(distance: jax.Array) -> jax.Array:
    return jnp.maximum(1 - distance, 0)


def _keys_cubic(distance: jax.Array) -> jax.Array:
    """Returns Keys' cubic with a = -0.5, as Pillow and `jax.image` have it."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return jnp.where(distance < 1, near, jnp.where(distance < 2, far, 0))


# Interpolation → weight of a source pixel by its distance, in pixels of the coarser grid.
_KERNELS = {"bilinear": _triangle, "bicubic": _keys_cubic}
# How far each reaches, in the same pixels.
_REACH = {"bilinear": 1, "bicubic": 2}


class Geometry(NamedTuple):
    """Per-image geometry, one row an image (or one row for all).

    An image is mirrored, turned about its centre, moved, and seen through a centred window.

    Attributes:
      flip: bool [B], mirror left to right.
      shift: float [B, 2], where the image's content moves (down, right), in fractions of its side.
      window: float [B, 2], height and width of what is seen, in fractions of the image's; below 1
        enlarges. None: all of it.
      rotation: float [B], radians, counter-clockwise. None: nothing turns.
    """

    flip: jax.Array
    shift: jax.Array
    window: jax.Array | None = None
    rotation: jax.Array | None = None


def _weights(
    size: int,
    source: int,
    shift: jax.Array,
    flip: jax.Array,
    window: jax.Array | None,
    interpolation: str,
) -> jax.Array:
    """Returns resampling weights [B, size, source]: antialiased, edges continued."""
    scale = source / size
    centre = (jnp.arange(size) + 0.5) * scale - 0.5
    width: jax.Array | float = max(scale, 1.0)
    if window is None:
        centre = centre[None]
    else:
        middle = (source - 1) / 2
        centre = (centre[None] - middle) * window[:, None] + middle
        width = jnp.maximum(scale * window, 1.0)[:, None, None]
    centre = jnp.where(flip[:, None], source - 1 - centre, centre)
    # A flip mirrors the source, so a shift of the result moves the other way in the source.
    centre = centre - source * jnp.where(flip, -shift, shift)[:, None]
    # What an unmoved enlargement reaches beyond the edge stays: cubic weights differ there.
    beyond = max(0.5 - 0.5 * scale, 0.0)
    centre = jnp.clip(centre, -beyond, source - 1 + beyond)
    distance = jnp.abs(jnp.arange(source)[None, None] - centre[..., None]) / width
    weights = _KERNELS[interpolation](distance)
    return weights / weights.sum(-1, keepdims=True)


def _separable(images: jax.Array, size: int, geometry: Geometry, interpolation: str) -> jax.Array:
    """Resamples rows, then columns: two small matrix products per image."""
    batch, height, width, _ = images.shape
    flip, shift, window, _ = geometry
    tall, wide = (None, None) if window is None else (window[:, 0], window[:, 1])
    rows = _weights(size, height, shift[:, 0], jnp.zeros_like(flip), tall, interpolation)
    columns = _weights(size, width, shift[:, 1], flip, wide, interpolation)
    rows = jnp.broadcast_to(rows, (batch, size, height))
    columns = jnp.broadcast_to(columns, (batch, size, width))
    # HIGHEST: a GPU's default TF32 product would round pixels to 10 bits.
    images = jnp.einsum("bsh,bhwc->bswc", rows, images, precision=lax.Precision.HIGHEST)
    return jnp.einsum("btw,bswc->bstc", columns, images, precision=lax.Precision.HIGHEST)


def _sources(size: int, height: int, width: int, geometry: Geometry) -> tuple[jax.Array, jax.Array]:
    """Returns where each pixel of the result lies in the source: (row, column), [B, size, size]."""
    flip, shift, window, rotation = geometry
    window = jnp.ones_like(shift) if window is None else window
    rotation = jnp.zeros_like(shift[:, 0]) if rotation is None else rotation

    def axis(source: int, number: int) -> jax.Array:
        seen = (jnp.arange(size) + 0.5) * (source / size) - source / 2
        return seen[None] * window[:, number, None] - source * shift[:, number, None]

    down, right = axis(height, 0)[:, :, None], axis(width, 1)[:, None, :]
    cosine, sine = jnp.cos(rotation)[:, None, None], jnp.sin(rotation)[:, None, None]
    rows = cosine * down + sine * right
    columns = cosine * right - sine * down
    columns = jnp.where(flip[:, None, None], -columns, columns)
    return rows + (height - 1) / 2, columns + (width - 1) / 2


def _reflected(position: jax.Array, source: int) -> jax.Array:
    """Returns positions folded into the image: d c b a | a b c d | d c b a, as Keras' `reflect`."""
    folded = jnp.mod(position + 0.5, 2 * source)
    return jnp.minimum(folded, 2 * source - folded) - 0.5


def _width(scale: float, window: jax.Array | None) -> jax.Array | float:
    """Returns how wide a kernel lies on the source, float or [B, 1, 1]; at least a pixel."""
    widest = max(scale, 1.0)
    # Taps are counted for the unmoved image; a window beyond it is read with the same ones.
    return widest if window is None else jnp.clip(scale * window, 1.0, widest)[:, None, None]


def _gathered(images: jax.Array, size: int, geometry: Geometry, interpolation: str) -> jax.Array:
    """Resamples along both axes at once, tap by tap: what turned rows and columns need."""
    batch, height, width, channels = images.shape
    geometry = jax.tree.map(lambda part: jnp.broadcast_to(part, (batch, *part.shape[1:])), geometry)
    rows, columns = _sources(size, height, width, geometry)
    rows, columns = _reflected(rows, height), _reflected(columns, width)
    window = geometry.window
    tall = _width(height / size, None if window is None else window[:, 0])
    wide = _width(width / size, None if window is None else window[:, 1])
    high, broad = (
        math.ceil(_REACH[interpolation] * max(side / size, 1.0)) for side in (height, width)
    )
    # Reflected once by hand, and the neighbours of what lies inside never leave the image.
    padded = jnp.pad(images, ((0, 0), (high, high), (broad, broad), (0, 0)), "symmetric")
    top, left = jnp.floor(rows) - (high - 1), jnp.floor(columns) - (broad - 1)
    pick = jax.vmap(lambda image, row, column: image[row, column])
    kernel = _KERNELS[interpolation]

    def add(tap: Any, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        row, column = top + tap // (2 * broad), left + tap % (2 * broad)
        weight = kernel(jnp.abs(row - rows) / tall) * kernel(jnp.abs(column - columns) / wide)
        weight = weight.astype(images.dtype)
        picked = pick(padded, row.astype(jnp.int32) + high, column.astype(jnp.int32) + broad)
        return sums[0] + weight[..., None] * picked, sums[1] + weight

    total = jnp.zeros((batch, size, size, channels), images.dtype)
    sums = (total, total[..., 0])
    if high * broad == 1:
        # Four taps fuse into one pass; a strong reduction's hundreds would bloat the program.
        for tap in range(4):
            sums = add(tap, sums)
    else:
        sums = lax.fori_loop(0, 4 * high * broad, add, sums)
    return sums[0] / sums[1][..., None]


def resample(
    images: jax.Array,
    size: int,
    geometry: Geometry | None = None,
    interpolation: str = "bilinear",
) -> jax.Array:
    """Returns images moved and resized to [B, size, size, C] in one antialiased resample.

    Without rotation rows and columns are resampled apart, and what a move uncovers repeats the
    nearest edge; with one, every pixel is gathered, and what is uncovered reflects the image (edge
    pixels included). Without geometry it equals `jax.image.resize` with `linear` or `cubic`,
    antialiased.

    Args:
      images: float [B, H, W, C].
      size: side of the result, pixels.
      geometry: per-image moves, or None for a plain resize.
      interpolation: `bilinear` or `bicubic`.
    """
    if geometry is None:
        if images.shape[1:3] == (size, size):
            return images
        geometry = Geometry(jnp.zeros(1, bool), jnp.zeros((1, 2)))
    path = _separable if geometry.rotation is None else _gathered
    return path(images, size, geometry, interpolation)
