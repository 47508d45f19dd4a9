"""Memory-saving tiled implementation of convolution + bias + ReLU + max pool.

The full-resolution map is never stored. The forward pass scans over tiles of a few pooling windows
each: it multiplies the tile's patches by the kernel and keeps only the maximum (the "winner") of
each window and its position. The backward pass reads only the winners: it gathers their patches for
the gradient of the kernel and scatters them for the gradient of the input. The batch always keeps a
dimension of its own, so a batch-sharded input keeps its sharding.
"""

import functools
import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.precision import sum_dtype
from ferjax.ops.sliding_window import add_taps_back, taps

# Pixels of a tile, over the whole batch. With 512 filters a tile has 16 MB, about the size of a
# cache.
_TILE_PIXELS = 8192
# Largest number of groups of pixels in which the maximum of a window is searched, and
# largest number of pixels of a group. There are more groups if a group would be larger, because an
# expression that compares more pixels compiles slowly.
_GROUPS, _GROUP_PIXELS = 16, 64


class _Tiles(NamedTuple):
    """How a map is cut: `down` x `across` tiles of `rows` x `columns` windows."""

    window: int
    down: int
    across: int
    rows: int
    columns: int

    @property
    def height(self) -> int:
        return self.rows * self.window

    @property
    def width(self) -> int:
        return self.columns * self.window


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def tiled_conv_relu_max_pool(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, window: int
) -> jax.Array:
    """Returns float [B, H / window, W / window, F]; arguments as `conv_relu_max_pool`."""
    return _forward(x, kernel, bias, window)[0]


def _forward(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, window: int
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    tiles = _tiling(x.shape, window)
    padded, matrix = _pad_same(x, kernel), kernel.reshape(-1, kernel.shape[-1])

    def winners(_: None, n: jax.Array) -> tuple[None, tuple[jax.Array, jax.Array]]:
        patches = _windows(_patches(_tile(padded, n, tiles, kernel), kernel), tiles)
        y = jnp.einsum("bwpk,kf->bwpf", patches, matrix, preferred_element_type=sum_dtype(x))
        return None, _max_and_position(y)

    _, (best, position) = lax.scan(winners, None, jnp.arange(tiles.down * tiles.across))
    y = _join_tiles(best, tiles)
    y = jax.nn.relu(y + bias[None, None, None].astype(best.dtype)).astype(x.dtype)
    return y, (x, kernel, y, position)


def _max_and_position(y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the maxima [B, windows, F] of [B, windows, window², F], and their positions.

    If a pixel of the window is NaN, the maximum is NaN and its position is 0.

    One pass over y gives the maxima of groups of pixels. The position is then searched only in the
    group with the largest maximum.
    """
    *outer, area, features = y.shape
    divisors = [n for n in range(1, area + 1) if area % n == 0]
    groups = max(
        max(n for n in divisors if n <= _GROUPS),
        min(n for n in divisors if area // n <= _GROUP_PIXELS),
    )
    grouped = y.reshape(*outer, groups, area // groups, features)
    # Element by element, because jaxlib's reduction drops NaN on CPU (see `ops/pool.py`).
    group_maxima = functools.reduce(jnp.maximum, jnp.unstack(grouped, axis=3))
    best = jnp.where(jnp.isnan(group_maxima).any(2), jnp.nan, group_maxima.max(2))
    group = _first_maximum(group_maxima, best)
    best_group = jnp.take_along_axis(grouped, group[:, :, None, None], 2, mode="promise_in_bounds")
    return best, group * (area // groups) + _first_maximum(best_group[:, :, 0], best)


def _first_maximum(y: jax.Array, best: jax.Array) -> jax.Array:
    """Returns the first index along axis 2 whose value is not below the maximum; 0 if it is NaN."""
    index = lax.broadcasted_iota(jnp.int32, y.shape, 2)
    return jnp.where(y < best[:, :, None], y.shape[2], index).min(2)


def _backward(
    window: int, residuals: tuple[jax.Array, ...], gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, kernel, y, position = residuals
    tiles = _tiling(x.shape, window)
    gradient = jnp.where(y > 0, gradient, 0).astype(sum_dtype(x))
    per_tile = _split_into_tiles(gradient, tiles), _positions_in_tile(position, tiles)
    # Two loops, so that XLA removes the loop for the input if the input's gradient is not used.
    return (
        _input_gradient(x, kernel, *per_tile, tiles).astype(x.dtype),
        _kernel_gradient(x, kernel, *per_tile, tiles).astype(kernel.dtype),
        gradient.sum((0, 1, 2)).astype(kernel.dtype),
    )


tiled_conv_relu_max_pool.defvjp(_forward, _backward)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, position: jax.Array, tiles: _Tiles
) -> jax.Array:
    """Returns [k, k, C, F]: the sum of the winners' patches, each multiplied by its gradient."""
    padded, batch, features = _pad_same(x, kernel), len(x), kernel.shape[-1]

    def windows_first(pixels: jax.Array) -> jax.Array:
        pixels = pixels.reshape(batch, -1, features, math.prod(pixels.shape[2:]))
        # Three dimensions: with a fourth XLA takes up to five times as long.
        return pixels.swapaxes(0, 1).reshape(-1, batch * features, pixels.shape[-1])

    def add(total: jax.Array, item: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        n, gradient, position = item
        tile = _tile(padded, n, tiles, kernel)

        def patches(tile: jax.Array, position: jax.Array) -> jax.Array:
            corner = jnp.stack([position // tiles.width, position % tiles.width], -1)
            window = lax.GatherDimensionNumbers((1, 2, 3), (), (0, 1))
            sizes = (*kernel.shape[:2], tile.shape[-1])
            return lax.gather(tile, corner, window, sizes, mode="promise_in_bounds")

        winners = windows_first(jax.vmap(patches)(tile, position))
        return total + (winners * windows_first(gradient.reshape(*position.shape, 1))).sum(0), None

    # One sum for each image, so that devices that share the batch exchange sums once, at the end.
    zeros = jnp.zeros((batch * features, kernel[..., 0].size), gradient.dtype)
    total, _ = lax.scan(add, zeros, (jnp.arange(len(position)), gradient, position))
    return total.reshape(batch, features, -1).sum(0).T.reshape(kernel.shape)


def _input_gradient(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, position: jax.Array, tiles: _Tiles
) -> jax.Array:
    """Returns [B, H, W, C]: for each winner its kernel times its gradient, at its position."""
    k, _, channels, features = kernel.shape
    rows = kernel.reshape(-1, features).T.astype(gradient.dtype)
    pixels = tiles.height * tiles.width
    padded = _pad_same(jnp.zeros(x.shape, gradient.dtype), kernel)

    def add(total: jax.Array, item: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        n, gradient, position = item

        def patches(gradient: jax.Array, position: jax.Array) -> jax.Array:
            products = gradient.reshape(-1, features, 1) * rows[None]
            empty = jnp.zeros((pixels, rows.shape[1]), gradient.dtype)
            products = products.reshape(len(position), -1)
            return empty.at[position].add(products, mode="promise_in_bounds")

        by_tap = jax.vmap(patches)(gradient, position)
        by_tap = by_tap.reshape(-1, tiles.height, tiles.width, k * k, channels)
        parts = [by_tap[:, :, :, tap] for tap in range(k * k)]
        before = _tile(total, n, tiles, kernel)
        tile = add_taps_back(parts, k, 1, (0, 0), before.shape[1:3])
        return lax.dynamic_update_slice(total, before + tile, _tile_corner(n, tiles)), None

    total, _ = lax.scan(add, padded, (jnp.arange(len(position)), gradient, position))
    low = (k - 1) // 2
    return total[:, low : low + x.shape[1], low : low + x.shape[2]]


def _tiling(shape: tuple[int, ...], window: int) -> _Tiles:
    """Returns the tiling of a map [B, H, W, C] with the largest tiles within `_TILE_PIXELS`."""
    batch, rows, columns = shape[0], shape[1] // window, shape[2] // window
    if not isinstance(batch, int):
        # An export for batches of any size: tiles of one window fit the largest batches.
        return _Tiles(window, rows, columns, 1, 1)

    def largest_divisor(windows: int, area: int) -> int:
        divisors = (n for n in range(1, windows + 1) if windows % n == 0)
        return max(n for n in divisors if n == 1 or n * area <= _TILE_PIXELS)

    across = largest_divisor(columns, batch * window * window)
    down = largest_divisor(rows, batch * window * window * columns) if across == columns else 1
    return _Tiles(window, rows // down, columns // across, down, across)


def _pad_same(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns x with the zeros of SAME padding around it."""
    k = kernel.shape[0]
    edge = ((k - 1) // 2, k // 2)
    return jnp.pad(x, ((0, 0), edge, edge, (0, 0)))


def _tile_corner(n: jax.Array, tiles: _Tiles) -> tuple[jax.Array | int, ...]:
    return 0, n // tiles.across * tiles.height, n % tiles.across * tiles.width, 0


def _tile(padded: jax.Array, n: jax.Array, tiles: _Tiles, kernel: jax.Array) -> jax.Array:
    """Returns tile n of the padded map, with the margin that its patches need."""
    margin = kernel.shape[0] - 1
    size = (padded.shape[0], tiles.height + margin, tiles.width + margin, padded.shape[-1])
    return lax.dynamic_slice(padded, _tile_corner(n, tiles), size)


def _patches(tile: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns [B, height, width, k·k·C]: the patch that the kernel covers at each pixel."""
    return jnp.concatenate(taps(tile, len(kernel), 1), -1)


def _windows(pixels: jax.Array, tiles: _Tiles) -> jax.Array:
    """Returns [B, windows of the tile, window², K] of a tile's pixels [B, height, width, K]."""
    batch, *_, depth = pixels.shape
    side = tiles.window
    grid = pixels.reshape(batch, tiles.rows, side, tiles.columns, side, depth)
    return grid.swapaxes(2, 3).reshape(batch, -1, side * side, depth)


def _join_tiles(per_tile: jax.Array, tiles: _Tiles) -> jax.Array:
    """Returns the map [B, H / window, W / window, F] of tiles [tiles, B, windows, F]."""
    _, batch, _, features = per_tile.shape
    grid = per_tile.reshape(tiles.down, tiles.across, batch, tiles.rows, tiles.columns, features)
    grid = grid.transpose(2, 0, 3, 1, 4, 5)
    return grid.reshape(batch, tiles.down * tiles.rows, -1, features)


def _split_into_tiles(joined: jax.Array, tiles: _Tiles) -> jax.Array:
    """Returns the inverse of `_join_tiles`."""
    batch, *_, features = joined.shape
    grid = joined.reshape(batch, tiles.down, tiles.rows, tiles.across, tiles.columns, features)
    grid = grid.transpose(1, 3, 0, 2, 4, 5)
    return grid.reshape(tiles.down * tiles.across, batch, -1, features)


def _positions_in_tile(position: jax.Array, tiles: _Tiles) -> jax.Array:
    """Returns [tiles, B, windows·F]: positions within a window as row-major pixels of the tile."""
    count, batch, *_ = position.shape
    window = lax.broadcasted_iota(jnp.int32, position.shape, 2)
    row = window // tiles.columns * tiles.window + position // tiles.window
    column = window % tiles.columns * tiles.window + position % tiles.window
    return (row * tiles.width + column).reshape(count, batch, -1)
