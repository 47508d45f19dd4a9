"""Bins of equal width in confidence, and the calibration error of the images in them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BINS = 15


def bin_numbers(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Returns int [N], the index of the bin of `binned` that holds each confidence.

    Confidences are compared with the edges of the bins, because a product would be rounded:
    1 - 4/15 is a little above 11/15, but 15 times it is exactly 11.

    Raises:
      ValueError: no bins.
    """
    if bins < 1:
        raise ValueError(f"{bins} bins: expected 1 or more")
    return np.searchsorted(np.arange(1, bins) / bins, confidence, "left")


def binned(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[dict[str, Any]]:
    """Returns count, mean confidence and accuracy of the images in each bin of equal width.

    Args:
      confidence: float [N], in [0, 1], such as the probability of the most probable class.
      right: bool [N], whether the event with this confidence occurred.
      bins: number of bins.

    Returns:
      A dictionary for each bin: `low`, `high` (a confidence c is in it if low < c <= high, and 0 is
      in the first), `count` of images, their mean `confidence`, and `accuracy`, the share of them
      that are right. The last two are None in an empty bin.

    Raises:
      ValueError: no bins.
    """
    numbers, rows = bin_numbers(confidence, bins), []
    for k in range(bins):
        inside = numbers == k
        rows.append(
            {
                "low": k / bins,
                "high": (k + 1) / bins,
                "count": int(inside.sum()),
                "confidence": float(confidence[inside].mean()) if inside.any() else None,
                "accuracy": float(right[inside].mean()) if inside.any() else None,
            }
        )
    return rows


def error_of_bins(reliability: Sequence[Mapping[str, Any]]) -> float:
    """Returns the calibration error of the list that `binned` returns, of one image or more.

    It is the mean distance between a bin's confidence and its accuracy, over all images.
    """
    filled = [row for row in reliability if row["count"]]
    gaps = [row["count"] * abs(row["confidence"] - row["accuracy"]) for row in filled]
    return float(sum(gaps) / sum(row["count"] for row in filled))
