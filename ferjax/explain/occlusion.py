"""Occlusion: how much the score falls when a square of the face is covered."""

from collections.abc import Callable

import numpy as np

# Side of the covered square, as a share of the face's side. The square moves by half of its side.
_SQUARE = 1 / 6

# Pixels float32 [B, H, W, C] → scores float [B]; the score of an image depends on that image alone.
ScoresOf = Callable[[np.ndarray], np.ndarray]


def occlusion(scores_of: ScoresOf, pixels: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Returns float32 [B, H, W]: the mean fall of the score over the squares that cover a pixel.

    The fall is negative where the score rises.

    Args:
      scores_of: the function of the explained score.
      pixels: float [B, H, W, C].
      fill: float [B, H, W, C], values that replace the covered pixels.

    References:
      Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014, section 4.2.
    """
    pixels = np.asarray(pixels, np.float32)
    whole = np.asarray(scores_of(pixels))
    total = np.zeros(pixels.shape[:3], np.float32)
    squares = squares_over(*pixels.shape[1:3])
    for square in squares:
        covered = np.where(square[:, :, None], fill, pixels)
        total += (whole - np.asarray(scores_of(covered)))[:, None, None] * square
    return total / squares.sum(0)


def squares_over(height: int, width: int) -> np.ndarray:
    """Returns bool [P, height, width], the P squares; each pixel is in one or more of them."""
    side = max(1, round(_SQUARE * min(height, width)))
    rows, columns = (_starts(length, side) for length in (height, width))
    squares = np.zeros((len(rows) * len(columns), height, width), bool)
    for square, (i, j) in zip(squares, np.ndindex(len(rows), len(columns)), strict=True):
        square[rows[i] : rows[i] + side, columns[j] : columns[j] + side] = True
    return squares


def _starts(length: int, side: int) -> list[int]:
    """Returns the starts of the square along one axis: every half side, and the last possible."""
    return sorted({*range(0, length - side + 1, max(1, side // 2)), length - side})
