"""Histograms of a label image over the cells of a regular grid, weighted or counted."""

import numpy as np


def cell_of(length: int, cells: int) -> np.ndarray:
    """Returns int [length], the cell that each of `length` pixels in a line belongs to.

    Cell i is the pixels from floor(i·length/cells) up to, not including, the next cell's first.
    """
    first = np.arange(1, cells) * length // cells
    return np.searchsorted(first, np.arange(length), side="right")


def grid_histograms(
    bins: np.ndarray, count: int, cells: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Returns the sum of the weights in every bin of every cell of every image.

    Args:
      bins: int [N, H, W], the bin of each pixel, 0 to `count` - 1.
      count: number of bins.
      cells: of the grid, in each direction.
      weights: float [N, H, W], or None to count pixels.

    Returns:
      float64 [N, cells², count]; cells row by row.
    """
    n, height, width = bins.shape
    cell = cell_of(height, cells)[:, None] * cells + cell_of(width, cells)
    image = np.arange(n)[:, None, None]
    place = (image * cells**2 + cell) * count + bins
    flat = None if weights is None else weights.ravel()
    sums = np.bincount(place.ravel(), flat, minlength=n * cells**2 * count)
    return sums.astype(np.float64).reshape(n, cells**2, count)
