"""Max pooling with a custom gradient: dense arithmetic instead of XLA's slow scatter."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen
from jax import lax

from ferjax.ops.choose_implementation import pool_form, use_custom_implementation
from ferjax.ops.sliding_window import add_taps_back, taps


def max_pool(
    x: jax.Array, window: int, *, stride: int | None = None, padding: int = 0
) -> jax.Array:
    """Returns the maxima of `window` x `window` squares.

    If several maxima are equal, the first in row-major order gets the gradient, as in
    `reduce_window`. The gradient of `jnp.max` compares each input with the maximum instead. XLA may
    then compute input and maximum in two fusions with different rounding, so that no input equals
    the maximum. After a batch norm half of the gradient was lost in this way.

    Args:
      x: float [B, H, W, C].
      window: side of the square.
      stride: step between squares; None: `window`, which makes the squares disjoint.
      padding: rows and columns of -inf on each side, fewer than `window`.

    Returns:
      float [B, H', W', C], H' = (H + 2 padding - window) // stride + 1; NaN where a window
      contains NaN.

    Raises:
      ValueError: `stride` is None and `window` does not divide H or W.
    """
    if stride is None:
        check_tiling(x, window)
    stride = stride or window
    if use_custom_implementation("max_pool", window):
        return _max_pool(x, window, stride, padding)
    return max_pool_plain(x, window, stride=stride, padding=padding)


def check_tiling(x: jax.Array, window: int) -> None:
    """Raises `ValueError` if `window` does not divide height or width of the map x [B, H, W, C]."""
    _, h, w, _ = x.shape
    if h % window or w % window:
        raise ValueError(f"window {window} does not divide the {h}x{w} map")


def max_pool_plain(x: jax.Array, window: int, *, stride: int, padding: int = 0) -> jax.Array:
    """Returns the max pool by XLA; on CPU its gradient visits one element at a time."""
    if pool_form() != "reduce_window":
        return _max_pool_linen(x, window, stride, padding)
    edge = (padding, padding)
    windows = (
        (1, window, window, 1),
        (1, stride, stride, 1),
        ((0, 0), edge, edge, (0, 0)),
    )

    def maxima(x: jax.Array) -> jax.Array:
        return lax.reduce_window(x, -jnp.inf, lax.max, *windows)

    def maxima_with_nan(x: jax.Array) -> jax.Array:
        # jaxlib 0.10 turns maxima over disjoint windows, and over long axes, into a reduction that
        # ignores NaN, and returns -inf if all values are NaN. The reduction of booleans is correct.
        has_nan = lax.reduce_window(jnp.isnan(x), False, lax.bitwise_or, *windows)
        return jnp.where(has_nan, jnp.nan, maxima(x))

    # Chosen when the program is compiled: an export is traced on one platform and runs on others.
    return lax.platform_dependent(x, cpu=maxima_with_nan, default=maxima)


def _max_pool_linen(x: jax.Array, window: int, stride: int, padding: int) -> jax.Array:
    """Returns the max pool by Linen's function, which converters to other formats recognise."""
    edge = (padding, padding)
    edges = ((0, 0), edge, edge, (0, 0))
    if padding and pool_form() == "linen_edge":
        # A window that reaches over the edge contains the pixels at the edge, so repeating these
        # pixels does not change its maximum.
        x = jnp.pad(x, edges, "edge")
    elif padding:
        x = jnp.pad(x, edges, constant_values=-jnp.inf)
    sides, steps = (window, window), (stride, stride)
    return linen.max_pool(x, window_shape=sides, strides=steps, padding="VALID")


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_pool(x: jax.Array, window: int, stride: int, padding: int) -> jax.Array:
    return _forward(x, window, stride, padding)[0]


def _forward(
    x: jax.Array, window: int, stride: int, padding: int
) -> tuple[jax.Array, tuple[jax.Array, tuple[int, ...]]]:
    """Returns the maxima, and the row-major position of each in its window, int8."""
    edge = (padding, padding)
    padded = jnp.pad(x, ((0, 0), edge, edge, (0, 0)), constant_values=-jnp.inf)
    best, *other_views = taps(padded, window, stride)
    position = jnp.zeros(best.shape, jnp.int8)
    for n, view in enumerate(other_views, start=1):
        wins = (view > best) | jnp.isnan(view)
        best, position = jnp.where(wins, view, best), jnp.where(wins, jnp.int8(n), position)
    return best, (position, x.shape[1:3])


def _backward(
    window: int,
    stride: int,
    padding: int,
    residuals: tuple[jax.Array, tuple[int, ...]],
    gradient: jax.Array,
) -> tuple[jax.Array]:
    position, sides = residuals
    parts = [jnp.where(position == n, gradient, 0) for n in range(window * window)]
    return (add_taps_back(parts, window, stride, (padding, padding), sides),)


_max_pool.defvjp(_forward, _backward)
