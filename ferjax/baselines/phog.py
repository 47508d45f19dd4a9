"""Pyramid histogram of oriented gradients (PHOG): directions of the edges in cells of an image.

References:
  Bosch, Zisserman and Munoz, "Representing Shape with a Spatial Pyramid Kernel", CIVR 2007: edges
  of Canny's detector, orientations of a 3x3 Sobel mask without smoothing, each edge pixel weighted
  by its gradient and divided between the two nearest bins, levels of 2^l x 2^l cells, sum 1.
"""

import numpy as np

from ferjax.baselines.canny import canny_edges, sobel_gradients
from ferjax.baselines.grid_histograms import grid_histograms


def phog_features(
    images: np.ndarray, bins: int = 8, degrees: int = 360, levels: int = 3
) -> np.ndarray:
    """Returns the histograms of edge orientations of all cells of all levels, with the sum 1.

    Args:
      images: float [N, H, W], grey, any scale: features do not change with gain and offset.
      bins: number of bins of orientation.
      degrees: 360, or 180 where opposite directions count as one.
      levels: number of levels of the pyramid after level 0, which is the whole image.

    Returns:
      float64 [N, bins · (1 + 4 + ... + 4^levels)], level by level, cells row by row; all 0 for an
      image without edges. 8 bins and 3 levels make 680 numbers.
    """
    images = np.asarray(images, np.float64)
    down, right = sobel_gradients(images)
    weight = np.hypot(down, right) * canny_edges(images)
    position = np.mod(np.degrees(np.arctan2(down, right)), degrees) * bins / degrees
    # The centre of bin i is i + 0.5: a pixel between two centres is divided between the two bins.
    lower = np.floor(position - 0.5)
    upper_share = position - 0.5 - lower
    lower_bin, lower_weight = np.mod(lower, bins).astype(np.intp), (1 - upper_share) * weight
    upper_bin, upper_weight = np.mod(lower + 1, bins).astype(np.intp), upper_share * weight
    parts = [
        grid_histograms(lower_bin, bins, 2**level, lower_weight)
        + grid_histograms(upper_bin, bins, 2**level, upper_weight)
        for level in range(levels + 1)
    ]
    features = np.concatenate([part.reshape(len(images), -1) for part in parts], axis=1)
    total = features.sum(1, keepdims=True)
    return np.divide(features, total, out=np.zeros_like(features), where=total > 0)
