"""Max pooling over disjoint windows."""

import functools

import jax
import jax.numpy as jnp
from jax import lax


def max_pool_plain(x: jax.Array, window: int, *, stride: int, padding: int = 0) -> jax.Array:
    """Returns the maxima by `reduce_window`: arguments and values of `max_pool`."""
    edge = (padding, padding)
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        (1, window, window, 1),
        (1, stride, stride, 1),
        ((0, 0), edge, edge, (0, 0)),
    )


def max_pool(x: jax.Array, window: int, *, stride: int = 0, padding: int = 0) -> jax.Array:
    """Returns the maxima of disjoint `window` x `window` squares.

    A tournament of neighbours, along the columns and then along the rows. Its gradient goes where
    the comparisons point: of equal maxima to the first in row-major order, as in `reduce_window`.

    That of `jnp.max` asks which input equals the maximum. XLA may compute the two in two fusions,
    rounded differently, and then no input does: behind a batch norm half of the gradient is lost.
    That of `reduce_window` is right, but on CPU it is scattered one element at a time.

    Args:
      x: float [B, H, W, C], H and W multiples of `window`.
      window: side of the square, and its stride.

    Returns:
      float [B, H / window, W / window, C]; NaN where a window holds one.

    Raises:
      ValueError: `window` does not divide H or W.
    """
    stride = stride or window
    if stride != window or padding:
        return max_pool_plain(x, window, stride=stride, padding=padding)
    _, h, w, _ = x.shape
    if h % window or w % window:
        raise ValueError(f"window {window} does not divide the {h}x{w} map")
    return _neighbours(_neighbours(x, 2, window), 1, window)


def _neighbours(x: jax.Array, axis: int, window: int) -> jax.Array:
    """Returns the maxima of each `window` neighbours along an axis, round by round."""
    while window > 1:
        # The smallest factor: pairs, as long as the window is even.
        group = next(n for n in range(2, window + 1) if window % n == 0)
        shape = (*x.shape[:axis], x.shape[axis] // group, group, *x.shape[axis + 1 :])
        players = x.reshape(shape)
        x = functools.reduce(
            _winner,
            [lax.index_in_dim(players, i, axis + 1, keepdims=False) for i in range(group)],
        )
        window //= group
    return x


def _winner(first: jax.Array, second: jax.Array) -> jax.Array:
    return jnp.where((second > first) | jnp.isnan(second), second, first)
