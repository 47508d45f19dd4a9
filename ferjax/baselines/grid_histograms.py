"""Histograms of a label image over the cells of a regular grid, weighted or counted."""

import numpy as np


def cell_of(length: int, cells: int) -> np.ndarray:
    """Returns int [length], the cell that each of `length` pixels in a line belongs to.

    Cell i begins at pixel floor(i·length/cells) and ends before the first pixel of the next cell.
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
      cells: number of cells of the grid, in each direction.
      weights: float [N, H, W], or None to count pixels.

    Returns:
      float64 [N, cells², count]; cells row by row.
    """
    n, height, width = bins.shape
    cell = cell_of(height, cells)[:, None] * cells + cell_of(width, cells)
    image = np.arange(n)[:, None, None]
    bin_number = (image * cells**2 + cell) * count + bins
    flat_weights = None if weights is None else weights.ravel()
    sums = np.bincount(bin_number.ravel(), flat_weights, minlength=n * cells**2 * count)
    return sums.astype(np.float64).reshape(n, cells**2, count)
