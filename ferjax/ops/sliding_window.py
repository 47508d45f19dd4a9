"""Sliding-window views of a map, one for each kernel tap, and their transpose (im2col, col2im)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax


def taps(x: jax.Array, window: int, stride: int) -> list[jax.Array]:
    """Returns `window`² strided views of x, row-major: the pixels under each tap of the window.

    Args:
      x: [B, H, W, C], already padded.
      window: side of the window.
      stride: step between windows.

    Returns:
      arrays [B, (H - window) // stride + 1, (W - window) // stride + 1, C].
    """
    h, w = ((side - window) // stride * stride + 1 for side in x.shape[1:3])
    return [
        x[:, u : u + h : stride, v : v + w : stride] for u in range(window) for v in range(window)
    ]


def add_taps_back(
    parts: Sequence[jax.Array],
    window: int,
    stride: int,
    low: tuple[int, int],
    sides: tuple[int, ...],
) -> jax.Array:
    """Returns the transpose of padding followed by `taps`: adds each part to the pixels it covers.

    Tap u of window i lies on row stride · i + u - low. This is row i + down of the plane that
    contains every `stride`-th row, from row `row` on. The planes are summed one by one and
    interleaved at the end, so no scatter is needed.

    Args:
      parts: arrays [B, H', W', C], one for each tap of the window, row-major.
      window: side of the window.
      stride: step between windows.
      low: padding above and to the left.
      sides: height and width of the map before padding.

    Returns:
      [B, *sides, C].
    """
    rows, columns = (-(-side // stride) for side in sides)
    planes: dict[tuple[int, int], jax.Array] = {}
    for n, part in enumerate(parts):
        u, v = divmod(n, window)
        (down, row), (right, column) = divmod(u - low[0], stride), divmod(v - low[1], stride)
        edges = [(0, 0, 0), (down, rows - part.shape[1] - down, 0)]
        edges += [(right, columns - part.shape[2] - right, 0), (0, 0, 0)]
        shifted = lax.pad(part, jnp.zeros((), part.dtype), edges)
        planes[row, column] = planes[row, column] + shifted if (row, column) in planes else shifted
    batch, *_, channels = parts[0].shape
    empty = jnp.zeros((batch, rows, columns, channels), parts[0].dtype)
    grid = [[planes.get((i, j), empty) for j in range(stride)] for i in range(stride)]
    x = jnp.stack([jnp.stack(line, 3) for line in grid], 2)
    x = x.reshape(batch, rows * stride, columns * stride, channels)
    return x[:, : sides[0], : sides[1]]
