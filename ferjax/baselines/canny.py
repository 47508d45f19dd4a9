"""Canny's edge detector on a batch of images, with thresholds that follow each image's contrast.

It is implemented with scipy.ndimage, which ferjax needs anyway. OpenCV's detector takes bytes and
two absolute thresholds and does not smooth; scikit-image would be an additional package for this
single function (the tests compare with it).

References:
  Canny, "A Computational Approach to Edge Detection", IEEE PAMI 8(6), 1986.
"""

from typing import Any

import numpy as np
from scipy import ndimage

# Settings of the edge detector in the program that Bosch et al. published with PHOG: deviation of
# the Gaussian that smooths; share of all magnitudes below the high threshold; low threshold as a
# share of the high one.
_DEVIATION = 2**0.5
_NOT_EDGES = 0.7
_LOW = 0.4
# Both sides of a sharp step have the same gradient; rounding must not select one of them.
_ROUNDING_TOLERANCE = 1 + 1e-9
# Pixels are neighbours along edges and corners, but never across two images.
_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


def canny_edges(
    images: np.ndarray,
    deviation: float = _DEVIATION,
    not_edges: float = _NOT_EDGES,
    low: float = _LOW,
) -> np.ndarray:
    """Returns the pixels on an edge: thin lines along the maxima of the gradient.

    A pixel is a candidate if its gradient is above the low threshold and at least as large as on
    both sides along the gradient, where the value is interpolated between two pixels. Candidates
    that are connected with a candidate at or above the high threshold are edges. The outermost
    pixels are never edges.

    Args:
      images: float [N, H, W], any scale: edges do not change with gain and offset.
      deviation: deviation of the Gaussian that smooths the images first, in pixels; 0: no
        smoothing.
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
    # In a flat image every gradient is a rounding error.
    floor = 1e-9 * np.abs(images).max((1, 2), initial=0, keepdims=True)
    candidates = _is_maximum(down, right, magnitude) & (magnitude > np.maximum(low * high, floor))
    # SciPy's annotation leaves out that it returns two values.
    labelled: Any = ndimage.label(candidates, _NEIGHBOURS)
    components, count = labelled
    is_edge = np.zeros(count + 1, bool)
    is_edge[components[candidates & (magnitude >= high)]] = True
    return is_edge[components] & candidates


def sobel_gradients(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the gradients downwards and to the right by Sobel's 3x3 masks, each [N, H, W].

    `scipy.ndimage.sobel` would smooth along the axis of the images too.
    """

    def gradient(axis: int) -> np.ndarray:
        across = ndimage.correlate1d(images, [1, 2, 1], 3 - axis, mode="nearest")
        return ndimage.correlate1d(across, [-1, 0, 1], axis, mode="nearest")

    return gradient(1), gradient(2)


def _is_maximum(down: np.ndarray, right: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """Returns bool [N, H, W], whether the magnitude is a maximum along the gradient.

    The gradient points between a horizontal or vertical neighbour and a diagonal one; the magnitude
    is interpolated between these two. The same is done on the opposite side.
    """
    steep = np.abs(down) > np.abs(right)
    longer = np.where(steep, np.abs(down), np.abs(right))
    shorter = np.where(steep, np.abs(right), np.abs(down))
    share = np.divide(shorter, longer, out=np.zeros_like(longer), where=longer > 0)
    # Steps to the neighbours when pixels are numbered row by row.
    row, column = (
        np.sign(gradient).astype(np.intp) * step
        for gradient, step in ((down, down.shape[2]), (right, 1))
    )
    straight, diagonal = np.where(steep, row, column), row + column
    pixel = np.arange(magnitude.size).reshape(magnitude.shape)
    is_maximum = np.zeros(magnitude.shape, bool)
    is_maximum[:, 1:-1, 1:-1] = True
    for side in (1, -1):
        beside = magnitude.take(pixel + side * straight, mode="clip")
        corner = magnitude.take(pixel + side * diagonal, mode="clip")
        is_maximum &= magnitude * _ROUNDING_TOLERANCE >= (1 - share) * beside + share * corner
    return is_maximum
