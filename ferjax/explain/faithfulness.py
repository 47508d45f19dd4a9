"""Deletion and insertion curves: does the network depend on what a map calls important?

Pixels are replaced in the order of a map. If the map is faithful, the probability of the explained
emotion falls early when the map's most important pixels are deleted, and rises early when only
these pixels are inserted into an image that shows nothing.
"""

import numpy as np

from ferjax.explain.occlusion import ScoresOf

# Points of a curve after the first; each adds 5 % of the pixels.
STEPS = 20


def deletion_and_insertion(
    probabilities_of: ScoresOf,
    pixels: np.ndarray,
    maps: np.ndarray,
    fill: np.ndarray,
    *,
    steps: int = STEPS,
) -> np.ndarray:
    """Returns float32 [2, B, steps + 1], the deletion and the insertion curve of each image.

    Point k is the probability when the first k of `steps` equal parts of the pixels are deleted, or
    are the only pixels that are inserted. Equally important pixels are taken from the top left.

    Args:
      probabilities_of: pixels float32 [B, H, W, C] → probabilities [B] of the explained classes.
      pixels: float [B, H, W, C].
      maps: float [B, H, W]; larger values are more important.
      fill: float [B, H, W, C], values that replace the pixels, from a function of `FILLS`.
      steps: number of parts of the pixels.

    References:
      Petsiuk et al., RISE: randomized input sampling for explanation of black-box models, 2018,
      section 4.3.
    """
    pixels, fill = np.asarray(pixels, np.float32), np.asarray(fill, np.float32)
    ranks = importance_ranks(maps)[..., None]
    count = ranks[0].size
    curves = np.empty((2, len(pixels), steps + 1), np.float32)
    for step in range(steps + 1):
        selected = ranks * steps < step * count
        curves[0, :, step] = probabilities_of(np.where(selected, fill, pixels))
        curves[1, :, step] = probabilities_of(np.where(selected, pixels, fill))
    return curves


def importance_ranks(maps: np.ndarray) -> np.ndarray:
    """Returns int [B, H, W]: 0 for each map's largest value, H W - 1 for its smallest."""
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable").reshape(maps.shape)


def area_under(curves: np.ndarray) -> np.ndarray:
    """Returns the area under curves over the share of pixels, 0 to 1: float [..., P] → [...]."""
    return (curves[..., 1:] + curves[..., :-1]).mean(-1) / 2
