"""Convolution of maps with fewer pixels than the kernel has places: one product a place."""

from collections.abc import Sequence
from itertools import product

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.precision import sum_dtype


def small_map_conv(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Sequence[tuple[int, int]]
) -> jax.Array:
    """Returns the convolution, summed over the kernel's places as products of matrices.

    XLA swaps map and kernel where the map is the smaller, and on CPU its gradients then fall to a
    naive loop, tens of times slower. Each place of the kernel meets few pixels of such a map; they
    are stacked behind the batch, which stays a dimension of its own: one split over devices keeps
    its placement. Padding is never multiplied.

    Args:
      x: float [B, H, W, C].
      kernel: float [h, w, C, F].
      strides: (rows, columns).
      padding: zeros ((above, below), (before, after)).

    Returns:
      float [B, (H + above + below - h) // stride + 1, ..., F] in the dtype of x.
    """
    sides = list(zip(x.shape[1:3], kernel.shape[:2], strides, padding, strict=True))
    tall, wide = ((size + sum(edge) - k) // stride + 1 for size, k, stride, edge in sides)
    rows, columns = (_meetings(*side) for side in sides)
    pixels = [[x[:, i, j] for j in range(x.shape[2])] for i in range(x.shape[1])]
    places = lax.split(kernel.reshape(-1, *kernel.shape[2:]), (1,) * (len(rows) * len(columns)))
    dtype = sum_dtype(x)
    sums = {(o, p): jnp.zeros((), dtype) for o, p in product(range(tall), range(wide))}
    for place, (down, right) in zip(places, product(rows, columns), strict=True):
        met = [(pixels[i][j], (o, p)) for (i, o), (j, p) in product(down, right)]
        if met:
            stacked = jnp.stack([pixel for pixel, _ in met], axis=1)
            found = jnp.matmul(stacked, place[0], preferred_element_type=dtype)
            for number, (_, output) in enumerate(met):
                sums[output] = sums[output] + found[:, number]
    shape = (x.shape[0], kernel.shape[-1])
    y = jnp.stack([jnp.broadcast_to(part, shape) for part in sums.values()], axis=1)
    return y.reshape(x.shape[0], tall, wide, -1).astype(x.dtype)


def _meetings(
    size: int, kernel: int, stride: int, edge: tuple[int, int]
) -> list[list[tuple[int, int]]]:
    """Returns, for each place of the kernel along an axis, the (input, output) pixels it joins."""
    outputs = range((size + sum(edge) - kernel) // stride + 1)
    joined = ([(o * stride + k - edge[0], o) for o in outputs] for k in range(kernel))
    return [[(i, o) for i, o in pairs if 0 <= i < size] for pairs in joined]
