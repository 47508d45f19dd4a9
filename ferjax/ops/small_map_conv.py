"""Convolution of small maps (fewer pixels than kernel positions): one product for each position."""

from collections.abc import Sequence
from itertools import product

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.precision import sum_dtype


def small_map_conv(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Sequence[tuple[int, int]]
) -> jax.Array:
    """Returns the convolution as a sum of matrix products, one for each position of the kernel.

    XLA swaps map and kernel if the map is smaller than the kernel. On CPU its gradients then run
    in a naive loop, tens of times slower. Here each position of the kernel covers few pixels of the
    small map, and these pixels are stacked along a new axis after the batch. The batch keeps an
    axis of its own, so a batch that is split over devices keeps its sharding. Padding is never
    multiplied.

    Args:
      x: float [B, H, W, C].
      kernel: float [h, w, C, F].
      strides: (rows, columns).
      padding: zeros ((above, below), (before, after)).

    Returns:
      float [B, (H + above + below - h) // stride + 1, ..., F] in the dtype of x.
    """
    sides = list(zip(x.shape[1:3], kernel.shape[:2], strides, padding, strict=True))
    out_height, out_width = (
        (size + sum(edge) - k) // stride + 1 for size, k, stride, edge in sides
    )
    rows, columns = (_covered_pixels(*side) for side in sides)
    pixels = [[x[:, i, j] for j in range(x.shape[2])] for i in range(x.shape[1])]
    matrices = lax.split(kernel.reshape(-1, *kernel.shape[2:]), (1,) * (len(rows) * len(columns)))
    dtype = sum_dtype(x)
    sums = {(o, p): jnp.zeros((), dtype) for o, p in product(range(out_height), range(out_width))}
    for matrix, (vertical, horizontal) in zip(matrices, product(rows, columns), strict=True):
        covered = [(pixels[i][j], (o, p)) for (i, o), (j, p) in product(vertical, horizontal)]
        if covered:
            stacked = jnp.stack([pixel for pixel, _ in covered], axis=1)
            products = jnp.matmul(stacked, matrix[0], preferred_element_type=dtype)
            for number, (_, output) in enumerate(covered):
                sums[output] = sums[output] + products[:, number]
    shape = (x.shape[0], kernel.shape[-1])
    y = jnp.stack([jnp.broadcast_to(part, shape) for part in sums.values()], axis=1)
    return y.reshape(x.shape[0], out_height, out_width, -1).astype(x.dtype)


def _covered_pixels(
    size: int, kernel: int, stride: int, edge: tuple[int, int]
) -> list[list[tuple[int, int]]]:
    """Returns the (input, output) pixels that each kernel position along an axis connects."""
    outputs = range((size + sum(edge) - kernel) // stride + 1)
    candidates = ([(o * stride + k - edge[0], o) for o in outputs] for k in range(kernel))
    return [[(i, o) for i, o in pairs if 0 <= i < size] for pairs in candidates]
