"""The bootstrap over images, as confusion matrices: the same images are drawn for every run."""

import functools

import numpy as np

from ferjax.reproduce.judging.metrics import confusion_of
from ferjax.reproduce.run_result import Predictions

DRAWS = 1000


def resampled_confusions(predictions: Predictions, classes: int, draws: int = DRAWS) -> np.ndarray:
    """Returns int64 [1 + draws, K, K]: the confusion matrix, then that of each resample."""
    shape = (-1, classes, classes)
    confusion = confusion_of(predictions.labels, predictions.predicted, classes).reshape(shape)
    if not draws:
        return confusion
    cells = predictions.labels.astype(np.int64) * classes + predictions.predicted
    # Counts are whole numbers, and float32 adds them exactly.
    is_in_cell = (cells[:, None] == np.arange(classes**2)).astype(np.float32)
    resampled = _times_drawn(len(cells), draws) @ is_in_cell
    return np.concatenate([confusion, resampled.astype(np.int64).reshape(shape)])


@functools.lru_cache(maxsize=2)
def _times_drawn(images: int, draws: int) -> np.ndarray:
    """Returns float32 [draws, images]: how often each resample holds each image."""
    random = np.random.default_rng(0)
    rows = (random.integers(0, images, images) for _ in range(draws))
    return np.array([np.bincount(row, minlength=images) for row in rows], np.float32)
