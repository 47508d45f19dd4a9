"""Resizing, shift, flip, rotation and crop of images on the device, in one antialiased resample."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


def _triangle(distance: jax.Array) -> jax.Array:
    return jnp.maximum(1 - distance, 0)


def _keys_cubic(distance: jax.Array) -> jax.Array:
    """Returns Keys' cubic kernel with a = -0.5, as in Pillow and `jax.image`."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return jnp.where(distance < 1, near, jnp.where(distance < 2, far, 0))


# Interpolation → kernel: weight of a source pixel by its distance, in pixels of the coarser grid.
_KERNELS = {"bilinear": _triangle, "bicubic": _keys_cubic}
# Radius of each kernel, in the same pixels.
_RADIUS = {"bilinear": 1, "bicubic": 2}


class Geometry(NamedTuple):
    """Geometric parameters, one row for each image (or one row for all).

    An image is mirrored, then rotated about its centre, then shifted, then cropped by a centred
    window.

    Attributes:
      flip: bool [B], whether to mirror left to right.
      shift: float [B, 2], shift of the content (down, right), in fractions of the image's side.
      window: float [B, 2], height and width of the visible window, in fractions of the image's;
        values below 1 enlarge. None: the whole image.
      rotation: float [B], radians, counter-clockwise. None: no rotation.
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
    """Returns antialiased resampling weights [B, size, source]; the edge pixels are repeated."""
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
    # A flip mirrors the source, so a shift of the result has the opposite sign in the source.
    centre = centre - source * jnp.where(flip, -shift, shift)[:, None]
    # An enlargement without a shift reads this far beyond the edge. The clip allows that, because
    # the cubic weights differ there.
    overhang = max(0.5 - 0.5 * scale, 0.0)
    centre = jnp.clip(centre, -overhang, source - 1 + overhang)
    distance = jnp.abs(jnp.arange(source)[None, None] - centre[..., None]) / width
    weights = _KERNELS[interpolation](distance)
    return weights / weights.sum(-1, keepdims=True)


def _resample_separable(
    images: jax.Array, size: int, geometry: Geometry, interpolation: str
) -> jax.Array:
    """Resamples rows, then columns: two small matrix products for each image."""
    batch, height, width, _ = images.shape
    flip, shift, window, _ = geometry
    window_rows, window_columns = (None, None) if window is None else (window[:, 0], window[:, 1])
    rows = _weights(size, height, shift[:, 0], jnp.zeros_like(flip), window_rows, interpolation)
    columns = _weights(size, width, shift[:, 1], flip, window_columns, interpolation)
    rows = jnp.broadcast_to(rows, (batch, size, height))
    columns = jnp.broadcast_to(columns, (batch, size, width))
    # HIGHEST: a GPU's default TF32 product would round pixels to 10 bits.
    images = jnp.einsum("bsh,bhwc->bswc", rows, images, precision=lax.Precision.HIGHEST)
    return jnp.einsum("btw,bswc->bstc", columns, images, precision=lax.Precision.HIGHEST)


def _source_coordinates(
    size: int, height: int, width: int, geometry: Geometry
) -> tuple[jax.Array, jax.Array]:
    """Returns source coordinates (row, column) of each pixel of the result, [B, size, size]."""
    flip, shift, window, rotation = geometry
    window = jnp.ones_like(shift) if window is None else window
    rotation = jnp.zeros_like(shift[:, 0]) if rotation is None else rotation

    def axis(source: int, number: int) -> jax.Array:
        offset = (jnp.arange(size) + 0.5) * (source / size) - source / 2
        return offset[None] * window[:, number, None] - source * shift[:, number, None]

    down, right = axis(height, 0)[:, :, None], axis(width, 1)[:, None, :]
    cosine, sine = jnp.cos(rotation)[:, None, None], jnp.sin(rotation)[:, None, None]
    rows = cosine * down + sine * right
    columns = cosine * right - sine * down
    columns = jnp.where(flip[:, None, None], -columns, columns)
    return rows + (height - 1) / 2, columns + (width - 1) / 2


def _reflect(position: jax.Array, source: int) -> jax.Array:
    """Returns positions reflected into the image: d c b a | a b c d | d c b a (`reflect`)."""
    folded = jnp.mod(position + 0.5, 2 * source)
    return jnp.minimum(folded, 2 * source - folded) - 0.5


def _kernel_scale(scale: float, window: jax.Array | None) -> jax.Array | float:
    """Returns the kernel's scale in source pixels, float or [B, 1, 1]; at least 1."""
    widest = max(scale, 1.0)
    # The number of taps is fixed for the whole image; a larger window has the same number.
    return widest if window is None else jnp.clip(scale * window, 1.0, widest)[:, None, None]


def _resample_by_gather(
    images: jax.Array, size: int, geometry: Geometry, interpolation: str
) -> jax.Array:
    """Resamples along both axes at once, one kernel tap after the other; needed for rotation."""
    batch, height, width, channels = images.shape
    geometry = jax.tree.map(lambda part: jnp.broadcast_to(part, (batch, *part.shape[1:])), geometry)
    rows, columns = _source_coordinates(size, height, width, geometry)
    rows, columns = _reflect(rows, height), _reflect(columns, width)
    window = geometry.window
    row_scale = _kernel_scale(height / size, None if window is None else window[:, 0])
    column_scale = _kernel_scale(width / size, None if window is None else window[:, 1])
    row_radius, column_radius = (
        math.ceil(_RADIUS[interpolation] * max(side / size, 1.0)) for side in (height, width)
    )
    # The coordinates are reflected above; the padding holds the neighbours of pixels at the edge.
    edges = ((0, 0), (row_radius, row_radius), (column_radius, column_radius), (0, 0))
    padded = jnp.pad(images, edges, "symmetric")
    top, left = jnp.floor(rows) - (row_radius - 1), jnp.floor(columns) - (column_radius - 1)
    gather = jax.vmap(lambda image, row, column: image[row, column])
    kernel = _KERNELS[interpolation]

    def add(tap: Any, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        row, column = top + tap // (2 * column_radius), left + tap % (2 * column_radius)
        row_weight = kernel(jnp.abs(row - rows) / row_scale)
        weight = row_weight * kernel(jnp.abs(column - columns) / column_scale)
        weight = weight.astype(images.dtype)
        row_index = row.astype(jnp.int32) + row_radius
        pixels = gather(padded, row_index, column.astype(jnp.int32) + column_radius)
        return sums[0] + weight[..., None] * pixels, sums[1] + weight

    total = jnp.zeros((batch, size, size, channels), images.dtype)
    sums = (total, total[..., 0])
    if row_radius * column_radius == 1:
        # XLA fuses four taps into one pass. A strong reduction has hundreds of taps; unrolled,
        # they would make the program too large.
        for tap in range(4):
            sums = add(tap, sums)
    else:
        sums = lax.fori_loop(0, 4 * row_radius * column_radius, add, sums)
    return sums[0] / sums[1][..., None]


def resample(
    images: jax.Array,
    size: int,
    geometry: Geometry | None = None,
    interpolation: str = "bilinear",
) -> jax.Array:
    """Returns images transformed and resized to [B, size, size, C] in one antialiased resample.

    Without rotation, rows and columns are resampled separately, and uncovered areas repeat the
    nearest edge pixel. With rotation, every pixel is gathered, and uncovered areas show the
    reflected image (edge pixels included). Without geometry the result equals that of
    `jax.image.resize` with `linear` or `cubic`, antialiased.

    Args:
      images: float [B, H, W, C].
      size: side of the result, pixels.
      geometry: transformation of each image, or None for a plain resize.
      interpolation: `bilinear` or `bicubic`.
    """
    if geometry is None:
        if images.shape[1:3] == (size, size):
            return images
        geometry = Geometry(jnp.zeros(1, bool), jnp.zeros((1, 2)))
    method = _resample_separable if geometry.rotation is None else _resample_by_gather
    return method(images, size, geometry, interpolation)
