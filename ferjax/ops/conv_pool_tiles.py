"""The tiled form of convolution + bias + ReLU + max pool: the full-resolution map never exists.

Forward, a scan over tiles of a few windows each: the tile's patches times the kernel, of which only
each window's maximum and its place are kept. Backward touches winners alone: their patches are
gathered for the kernel's gradient and scattered for the input's. The batch stays a dimension of
its own throughout, so a batch-sharded input keeps its sharding.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.precision import sum_dtype
from ferjax.ops.taps import join_taps, taps

# Pixels of a tile, over the batch: 16 MB of 512 filters, about a cache's size (BUILD.md).
_TILE_PIXELS = 8192
# Groups in which a window's winner is sought (BUILD.md).
_GROUPS = 16


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
    tiles = _cut(x.shape, window)
    padded, matrix = _padded(x, kernel), kernel.reshape(-1, kernel.shape[-1])

    def winners(_: None, n: jax.Array) -> tuple[None, tuple[jax.Array, jax.Array]]:
        patches = _windows(_patches(_tile(padded, n, tiles, kernel), kernel), tiles)
        y = jnp.einsum("bwpk,kf->bwpf", patches, matrix, preferred_element_type=sum_dtype(x))
        return None, _best(y)

    _, (best, place) = lax.scan(winners, None, jnp.arange(tiles.down * tiles.across))
    y = jax.nn.relu(_join(best, tiles) + bias[None, None, None].astype(best.dtype)).astype(x.dtype)
    return y, (x, kernel, y, place)


def _best(y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the maxima [B, windows, F] of [B, windows, window², F], and each one's place.

    The maxima of groups of pixels come out of the same pass over y, so the place need only be
    sought in the group that holds the best.
    """
    *outer, area, features = y.shape
    groups = max(n for n in range(1, _GROUPS + 1) if area % n == 0)
    grouped = y.reshape(*outer, groups, area // groups, features)
    tops = grouped.reshape(-1, *grouped.shape[-2:]).max(1).reshape(*outer, groups, features)
    best = tops.max(2)
    group = _first(tops, best)
    held = jnp.take_along_axis(grouped, group[:, :, None, None], 2, mode="promise_in_bounds")
    return best, group * (area // groups) + _first(held[:, :, 0], best)


def _first(y: jax.Array, best: jax.Array) -> jax.Array:
    """Returns the first index along axis 2 that is not less than the best: 0 where that is NaN."""
    index = lax.broadcasted_iota(jnp.int32, y.shape, 2)
    return jnp.where(y < best[:, :, None], y.shape[2], index).min(2)


def _backward(
    window: int, residuals: tuple[jax.Array, ...], gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, kernel, y, place = residuals
    tiles = _cut(x.shape, window)
    gradient = jnp.where(y > 0, gradient, 0).astype(sum_dtype(x))
    per_tile = _split(gradient, tiles), _places_in_tile(place, tiles)
    # Two loops, so that the input's is dropped where nobody asks for it.
    return (
        _input_gradient(x, kernel, *per_tile, tiles).astype(x.dtype),
        _kernel_gradient(x, kernel, *per_tile, tiles).astype(kernel.dtype),
        gradient.sum((0, 1, 2)).astype(kernel.dtype),
    )


tiled_conv_relu_max_pool.defvjp(_forward, _backward)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, place: jax.Array, tiles: _Tiles
) -> jax.Array:
    """Returns [k, k, C, F]: the sum of the winners' patches, each times its gradient."""
    padded, batch, features = _padded(x, kernel), len(x), kernel.shape[-1]

    def windows_first(pixels: jax.Array) -> jax.Array:
        pixels = pixels.reshape(batch, -1, features, math.prod(pixels.shape[2:]))
        # Three dimensions: with a fourth XLA takes up to five times as long.
        return pixels.swapaxes(0, 1).reshape(-1, batch * features, pixels.shape[-1])

    def add(total: jax.Array, item: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        n, gradient, place = item
        tile = _tile(padded, n, tiles, kernel)

        def patches(tile: jax.Array, place: jax.Array) -> jax.Array:
            corner = jnp.stack([place // tiles.width, place % tiles.width], -1)
            window = lax.GatherDimensionNumbers((1, 2, 3), (), (0, 1))
            sizes = (*kernel.shape[:2], tile.shape[-1])
            return lax.gather(tile, corner, window, sizes, mode="promise_in_bounds")

        won = windows_first(jax.vmap(patches)(tile, place))
        return total + (won * windows_first(gradient.reshape(*place.shape, 1))).sum(0), None

    # One for each image: devices that share the batch then sum theirs once, after the loop.
    start = jnp.zeros((batch * features, kernel[..., 0].size), gradient.dtype)
    total, _ = lax.scan(add, start, (jnp.arange(len(place)), gradient, place))
    return total.reshape(batch, features, -1).sum(0).T.reshape(kernel.shape)


def _input_gradient(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, place: jax.Array, tiles: _Tiles
) -> jax.Array:
    """Returns [B, H, W, C]: every winner's kernel, times its gradient, at the winner's place."""
    k, _, channels, features = kernel.shape
    rows = kernel.reshape(-1, features).T.astype(gradient.dtype)
    pixels = tiles.height * tiles.width
    padded = _padded(jnp.zeros(x.shape, gradient.dtype), kernel)

    def add(total: jax.Array, item: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        n, gradient, place = item

        def patches(gradient: jax.Array, place: jax.Array) -> jax.Array:
            won = gradient.reshape(-1, features, 1) * rows[None]
            empty = jnp.zeros((pixels, rows.shape[1]), gradient.dtype)
            return empty.at[place].add(won.reshape(len(place), -1), mode="promise_in_bounds")

        seen = jax.vmap(patches)(gradient, place)
        seen = seen.reshape(-1, tiles.height, tiles.width, k * k, channels)
        parts = [seen[:, :, :, tap] for tap in range(k * k)]
        before = _tile(total, n, tiles, kernel)
        tile = join_taps(parts, k, 1, (0, 0), before.shape[1:3])
        return lax.dynamic_update_slice(total, before + tile, _corner(n, tiles)), None

    total, _ = lax.scan(add, padded, (jnp.arange(len(place)), gradient, place))
    low = (k - 1) // 2
    return total[:, low : low + x.shape[1], low : low + x.shape[2]]


def _cut(shape: tuple[int, ...], window: int) -> _Tiles:
    """Returns the tiling of a map [B, H, W, C] whose tiles come nearest to `_TILE_PIXELS`."""
    batch, rows, columns = shape[0], shape[1] // window, shape[2] // window

    def fitting(windows: int, area: int) -> int:
        divisors = (n for n in range(1, windows + 1) if windows % n == 0)
        return max(n for n in divisors if n == 1 or n * area <= _TILE_PIXELS)

    across = fitting(columns, batch * window * window)
    down = fitting(rows, batch * window * window * columns) if across == columns else 1
    return _Tiles(window, rows // down, columns // across, down, across)


def _padded(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns x with the zeros that SAME puts around it."""
    k = kernel.shape[0]
    edge = ((k - 1) // 2, k // 2)
    return jnp.pad(x, ((0, 0), edge, edge, (0, 0)))


def _corner(n: jax.Array, tiles: _Tiles) -> tuple[jax.Array | int, ...]:
    return 0, n // tiles.across * tiles.height, n % tiles.across * tiles.width, 0


def _tile(padded: jax.Array, n: jax.Array, tiles: _Tiles, kernel: jax.Array) -> jax.Array:
    """Returns tile n of the padded map with the margin its patches need."""
    margin = kernel.shape[0] - 1
    size = (len(padded), tiles.height + margin, tiles.width + margin, padded.shape[-1])
    return lax.dynamic_slice(padded, _corner(n, tiles), size)


def _patches(tile: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns [B, height, width, k·k·C]: the patch that the kernel sees at each pixel."""
    return jnp.concatenate(taps(tile, len(kernel), 1), -1)


def _windows(pixels: jax.Array, tiles: _Tiles) -> jax.Array:
    """Returns [B, windows of the tile, window², K] of a tile's pixels [B, height, width, K]."""
    batch, *_, depth = pixels.shape
    side = tiles.window
    grid = pixels.reshape(batch, tiles.rows, side, tiles.columns, side, depth)
    return grid.swapaxes(2, 3).reshape(batch, -1, side * side, depth)


def _join(per_tile: jax.Array, tiles: _Tiles) -> jax.Array:
    """Returns the map [B, H / window, W / window, F] of a scan's [tiles, B, windows, F]."""
    _, batch, _, features = per_tile.shape
    grid = per_tile.reshape(tiles.down, tiles.across, batch, tiles.rows, tiles.columns, features)
    grid = grid.transpose(2, 0, 3, 1, 4, 5)
    return grid.reshape(batch, tiles.down * tiles.rows, -1, features)


def _split(joined: jax.Array, tiles: _Tiles) -> jax.Array:
    """Returns the inverse of `_join`."""
    batch, *_, features = joined.shape
    grid = joined.reshape(batch, tiles.down, tiles.rows, tiles.across, tiles.columns, features)
    grid = grid.transpose(1, 3, 0, 2, 4, 5)
    return grid.reshape(tiles.down * tiles.across, batch, -1, features)


def _places_in_tile(place: jax.Array, tiles: _Tiles) -> jax.Array:
    """Returns [tiles, B, windows·F], row-major pixels of a tile, of places within their window."""
    count, batch, *_ = place.shape
    window = lax.broadcasted_iota(jnp.int32, place.shape, 2)
    row = window // tiles.columns * tiles.window + place // tiles.window
    column = window % tiles.columns * tiles.window + place % tiles.window
    return (row * tiles.width + column).reshape(count, batch, -1)
