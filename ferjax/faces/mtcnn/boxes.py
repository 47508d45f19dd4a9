"""Arithmetic of boxes (left, top, right, bottom), float32 [N, 4] in pixels, and their selection."""

import numpy as np


def strongest(
    boxes: np.ndarray, scores: np.ndarray, limit: float, *, of_smaller: bool = False
) -> np.ndarray:
    """Returns int [M], rows of boxes by falling score, without those that overlap a stronger one.

    Args:
      boxes: float [N, 4].
      scores: float [N].
      limit: the largest overlap that is kept, as a share of the union of two boxes.
      of_smaller: the share is that of the smaller box instead, and sides count both end pixels.
    """
    extent = 1.0 if of_smaller else 0.0
    left, top, right, bottom = boxes.T
    area = (right - left + extent) * (bottom - top + extent)
    order, kept = np.argsort(-scores, kind="stable"), []
    while order.size:
        best, others = order[0], order[1:]
        kept.append(best)
        width = np.minimum(right[best], right[others]) - np.maximum(left[best], left[others])
        height = np.minimum(bottom[best], bottom[others]) - np.maximum(top[best], top[others])
        intersection = (width + extent).clip(0) * (height + extent).clip(0)
        smaller = np.minimum(area[best], area[others])
        reference_area = smaller if of_smaller else area[best] + area[others] - intersection
        order = others[intersection <= limit * reference_area]
    return np.array(kept, int)


def moved(boxes: np.ndarray, offsets: np.ndarray, extent: float = 1.0) -> np.ndarray:
    """Returns boxes whose sides are moved by offsets float [N, 4], in widths and heights.

    Args:
      boxes: float [N, 4].
      offsets: float [N, 4].
      extent: added to width and height: 1 if sides count both end pixels.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + extent
    return boxes + offsets * np.tile(sides, 2)


def squared(boxes: np.ndarray) -> np.ndarray:
    """Returns squares about the same centres, with the longer sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(1, keepdims=True)
    first = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate([first, first + longer], 1)


def inside(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns int [N, 4], the whole pixels of boxes in an image; some may be empty.

    Corners count from 1, as in the first implementation: the left and upper sides are one pixel
    before the truncated number.
    """
    truncated = np.trunc(boxes).astype(int)
    first = truncated[:, :2].clip(1) - 1
    end = np.minimum(truncated[:, 2:], [width, height])
    return np.concatenate([first, end], 1)
