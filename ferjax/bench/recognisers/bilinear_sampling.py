"""Bilinear resizing of the three conventions that peers use, each as one matrix per axis."""

from typing import Any

import numpy as np


def centred(side: int, out: int) -> np.ndarray:
    """Returns float [out] source positions where pixels are squares: OpenCV's and Pillow's."""
    return (np.arange(out) + 0.5) * side / out - 0.5


def cornered(side: int, out: int) -> np.ndarray:
    """Returns float [out] source positions where pixel 0 stays pixel 0: TensorFlow.js's default.

    The last pixels lie beyond the last of the source and repeat it; the face moves by up to half a
    pixel of the source.
    """
    return np.arange(out) * side / out


def boxed(start: float, stop: float, side: int, out: int) -> np.ndarray:
    """Returns float [out] source positions of a box whose edges become the outermost pixels.

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
    """Returns float [N, M, M, 1] of images [N, side, side, 1], NumPy's or JAX's, without rounding.

    Args:
      images: grey images, floats.
      matrix: of `sampling_matrix`, for both axes.
    """
    return (matrix @ images[..., 0] @ matrix.T)[..., None]
