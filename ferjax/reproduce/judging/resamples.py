"""The bootstrap: which images, or people, each resample holds; the same for every run."""

import functools

import numpy as np

from ferjax.reproduce.judging.metrics import confusion_of
from ferjax.reproduce.run_result import Predictions

DRAWS = 1000


@functools.lru_cache(maxsize=4)
def times_drawn(units: int, seed: int = 0, draws: int = DRAWS) -> np.ndarray:
    """Returns float32 [draws, units]: how often each resample holds each unit.

    Args:
      units: number of images or people.
      seed: resamples with different seeds are independent of each other.
      draws: number of resamples.
    """
    random = np.random.default_rng(seed)
    rows = (random.integers(0, units, units) for _ in range(draws))
    return np.array([np.bincount(row, minlength=units) for row in rows], np.float32)


def resampled_confusions(predictions: Predictions, classes: int, draws: int = DRAWS) -> np.ndarray:
    """Returns int64 [1 + draws, K, K]: the confusion matrix, then that of each resample."""
    shape = (-1, classes, classes)
    confusion = confusion_of(predictions.labels, predictions.predicted, classes).reshape(shape)
    if not draws:
        return confusion
    cells = predictions.labels.astype(np.int64) * classes + predictions.predicted
    # Counts are whole numbers, and float32 adds them exactly.
    is_in_cell = (cells[:, None] == np.arange(classes**2)).astype(np.float32)
    resampled = times_drawn(len(cells), draws=draws) @ is_in_cell
    return np.concatenate([confusion, resampled.astype(np.int64).reshape(shape)])
