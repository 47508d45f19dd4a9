"""Max pooling whose gradient is dense arithmetic, not a scatter."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.forms import own_form
from ferjax.ops.taps import join_taps, taps


def max_pool(
    x: jax.Array, window: int, *, stride: int | None = None, padding: int = 0
) -> jax.Array:
    """Returns the maxima of `window` x `window` squares.

    Of equal maxima the first in row-major order gets the gradient, as in `reduce_window`. Asking
    which input equals the maximum, as the gradient of `jnp.max` does, is not only another rule for
    ties: XLA may compute input and maximum in two fusions, rounded differently, and then no input
    does; behind a batch norm half of the gradient was lost.

    Args:
      x: float [B, H, W, C].
      window: side of the square.
      stride: step between squares; None: `window`, so that they are disjoint.
      padding: rows and columns of -inf on each side, fewer than `window`.

    Returns:
      float [B, H', W', C], H' = (H + 2 padding - window) // stride + 1; NaN where a window holds
      one.

    Raises:
      ValueError: disjoint windows do not tile the map.
    """
    if stride is None:
        check_tiling(x, window)
    stride = stride or window
    if own_form("max_pool", window):
        return _max_pool(x, window, stride, padding)
    return max_pool_plain(x, window, stride=stride, padding=padding)


def check_tiling(x: jax.Array, window: int) -> None:
    """Raises `ValueError` where disjoint windows do not tile the map x [B, H, W, C]."""
    _, h, w, _ = x.shape
    if h % window or w % window:
        raise ValueError(f"window {window} does not divide the {h}x{w} map")


def max_pool_plain(x: jax.Array, window: int, *, stride: int, padding: int = 0) -> jax.Array:
    """Returns the same by `reduce_window`; on CPU its gradient goes one element at a time."""
    edge = (padding, padding)
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        (1, window, window, 1),
        (1, stride, stride, 1),
        ((0, 0), edge, edge, (0, 0)),
    )


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_pool(x: jax.Array, window: int, stride: int, padding: int) -> jax.Array:
    return _forward(x, window, stride, padding)[0]


def _forward(
    x: jax.Array, window: int, stride: int, padding: int
) -> tuple[jax.Array, tuple[jax.Array, tuple[int, ...]]]:
    """Returns the maxima, and where in its window each was: int8, row-major."""
    edge = (padding, padding)
    padded = jnp.pad(x, ((0, 0), edge, edge, (0, 0)), constant_values=-jnp.inf)
    best, *rivals = taps(padded, window, stride)
    place = jnp.zeros(best.shape, jnp.int8)
    for n, rival in enumerate(rivals, start=1):
        wins = (rival > best) | jnp.isnan(rival)
        best, place = jnp.where(wins, rival, best), jnp.where(wins, jnp.int8(n), place)
    return best, (place, x.shape[1:3])


def _backward(
    window: int,
    stride: int,
    padding: int,
    residuals: tuple[jax.Array, tuple[int, ...]],
    gradient: jax.Array,
) -> tuple[jax.Array]:
    place, sides = residuals
    won = [jnp.where(place == n, gradient, 0) for n in range(window * window)]
    return (join_taps(won, window, stride, (padding, padding), sides),)


_max_pool.defvjp(_forward, _backward)
