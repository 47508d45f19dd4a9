"""Canny's edge detector on a batch of images, with thresholds that follow each image's contrast.

It is written here on scipy.ndimage, which ferjax has anyway: OpenCV's takes bytes, two absolute
thresholds and no smoothing, and scikit-image would be one more package for this one function (the
tests compare with it).

References:
  Canny, "A Computational Approach to Edge Detection", IEEE PAMI 8(6), 1986.
"""

from typing import Any

import numpy as np
from scipy import ndimage

# The edge detector of the program that Bosch et al. published with PHOG: smoothing by a Gaussian of
# this deviation; the high threshold is above this share of all magnitudes, the low one a share of
# the high one.
_DEVIATION = 2**0.5
_NOT_EDGES = 0.7
_LOW = 0.4
# Both sides of a sharp step have one gradient; rounding must not choose between them.
_EQUAL = 1 + 1e-9
# Pixels touch along edges and corners, and never those of another image.
_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


def canny_edges(
    images: np.ndarray,
    deviation: float = _DEVIATION,
    not_edges: float = _NOT_EDGES,
    low: float = _LOW,
) -> np.ndarray:
    """Returns which pixels are on an edge: thin lines along maxima of the gradient.

    A pixel is a candidate where its gradient is at least that of its two neighbours along the
    gradient, between which it is interpolated, and above the low threshold. Candidates that are
    connected with one at or above the high threshold are edges. The outermost pixels never are.

    Args:
      images: float [N, H, W], any scale: edges do not change with gain and offset.
      deviation: of the Gaussian that smooths first, in pixels; 0: none.
      not_edges: share of an image's gradients that lie below the high threshold.
      low: the low threshold as a share of the high one.

    Returns:
      bool [N, H, W].
    """
    images = np.asarray(images, np.float64)
    smooth = ndimage.gaussian_filter(images, deviation, mode="nearest", axes=(1, 2))
    down, right = sobel_gradients(smooth)
    magnitude = np.hypot(down, right)
    high = np.quantile(magnitude, not_edges, axis=(1, 2), keepdims=True)
    # In a flat image every gradient is rounding.
    floor = 1e-9 * np.abs(images).max((1, 2), initial=0, keepdims=True)
    candidates = _is_maximum(down, right, magnitude) & (magnitude > np.maximum(low * high, floor))
    # SciPy's annotation leaves out that it returns two values.
    labelled: Any = ndimage.label(candidates, _NEIGHBOURS)
    parts, count = labelled
    is_edge = np.zeros(count + 1, bool)
    is_edge[parts[candidates & (magnitude >= high)]] = True
    return is_edge[parts] & candidates


def sobel_gradients(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the gradients downwards and to the right by Sobel's 3x3 masks, each [N, H, W].

    `scipy.ndimage.sobel` would smooth along the axis of the images too.
    """

    def gradient(axis: int) -> np.ndarray:
        across = ndimage.correlate1d(images, [1, 2, 1], 3 - axis, mode="nearest")
        return ndimage.correlate1d(across, [-1, 0, 1], axis, mode="nearest")

    return gradient(1), gradient(2)


def _is_maximum(down: np.ndarray, right: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """Returns where the magnitude is a maximum along the gradient; bool [N, H, W].

    The gradient points between a neighbour beside or above and a diagonal one, and the magnitude is
    interpolated between these two; likewise on the other side.
    """
    steep = np.abs(down) > np.abs(right)
    longer = np.where(steep, np.abs(down), np.abs(right))
    shorter = np.where(steep, np.abs(right), np.abs(down))
    share = np.divide(shorter, longer, out=np.zeros_like(longer), where=longer > 0)
    # Steps to a neighbour in the numbering of pixels row by row.
    row, column = (np.sign(g).astype(np.intp) * n for g, n in ((down, down.shape[2]), (right, 1)))
    straight, diagonal = np.where(steep, row, column), row + column
    here = np.arange(magnitude.size).reshape(magnitude.shape)
    is_maximum = np.zeros(magnitude.shape, bool)
    is_maximum[:, 1:-1, 1:-1] = True
    for side in (1, -1):
        beside = magnitude.take(here + side * straight, mode="clip")
        corner = magnitude.take(here + side * diagonal, mode="clip")
        is_maximum &= magnitude * _EQUAL >= (1 - share) * beside + share * corner
    return is_maximum
