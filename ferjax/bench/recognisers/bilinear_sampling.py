"""Bilinear resizing in the three conventions that peers use, each as a matrix for one axis."""

from typing import Any

import numpy as np


def centred(side: int, out: int) -> np.ndarray:
    """Returns float [out] source positions for pixels that are squares, as in OpenCV and Pillow."""
    return (np.arange(out) + 0.5) * side / out - 0.5


def cornered(side: int, out: int) -> np.ndarray:
    """Returns float [out] source positions that keep pixel 0 at pixel 0: TensorFlow.js's default.

    The last positions lie beyond the last source pixel and repeat it. The face moves by up to half
    a source pixel.
    """
    return np.arange(out) * side / out


def boxed(start: float, stop: float, side: int, out: int) -> np.ndarray:
    """Returns float [out] source positions in a box whose edges become the outermost pixels.

    This is TensorFlow's `crop_and_resize`, with the box in pixels of a source of `side`.
    """
    return np.linspace(start, stop, out) * (side - 1) / side


def sampling_matrix(positions: np.ndarray, side: int, beyond: str = "edge") -> np.ndarray:
    """Returns float32 [M, side]: row m weighs the two source pixels around `positions[m]`.

    Args:
      positions: float [M], in pixels of the source.
      side: pixels of the source.
      beyond: what lies beyond the first and last pixel: `edge` repeats them, `black` is 0.
    """
    inside = np.clip(positions, 0, side - 1)
    low = np.minimum(np.floor(inside).astype(int), side - 2)
    share, rows = inside - low, np.arange(len(positions))
    matrix = np.zeros((len(positions), side), np.float32)
    matrix[rows, low] = 1 - share
    matrix[rows, low + 1] = share
    if beyond == "black":
        matrix[(positions < 0) | (positions > side - 1)] = 0
    return matrix


def resample(images: Any, matrix: np.ndarray) -> Any:
    """Returns images [N, side, side, 1] resized to float [N, M, M, 1], without rounding.

    Args:
      images: grey images, floats, arrays of NumPy or JAX.
      matrix: from `sampling_matrix`, for both axes.
    """
    return (matrix @ images[..., 0] @ matrix.T)[..., None]
