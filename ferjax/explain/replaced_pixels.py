"""Values that replace deleted pixels: the face's mean colour, or the blurred face."""

from collections.abc import Callable

import numpy as np

# Standard deviation of the blur, as a share of the side; eyes and mouth become spots.
_BLUR = 0.1


def mean_colour(pixels: np.ndarray) -> np.ndarray:
    """Returns float32 [B, H, W, C]: each face's mean colour at every pixel."""
    pixels = np.asarray(pixels, np.float32)
    return np.broadcast_to(pixels.mean((1, 2), keepdims=True), pixels.shape)


def blurred(pixels: np.ndarray) -> np.ndarray:
    """Returns float32 [B, H, W, C]: the faces blurred by a Gaussian of a tenth of their side.

    At the border the weights of the pixels inside the image are scaled so that their sum is 1.
    """
    rows, columns = (_gaussian_weights(side) for side in pixels.shape[1:3])
    values = np.asarray(pixels, np.float32)
    return np.einsum("ih,jw,bhwc->bijc", rows, columns, values, optimize=True)


def _gaussian_weights(side: int) -> np.ndarray:
    """Returns float32 [side, side]; row i holds the weights of the pixels in blurred pixel i."""
    distance = np.subtract.outer(np.arange(side), np.arange(side)) / (_BLUR * side)
    weights = np.exp(-0.5 * distance**2)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


# Name → function from faces float [B, H, W, C] to the values that replace their pixels.
FILLS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"mean": mean_colour, "blur": blurred}
