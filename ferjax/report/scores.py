"""Classification scores from a confusion matrix: accuracy, precision, recall, F1, per class.

The rule for a class without images is that of scikit-learn. Macro averages are over the classes
that occur as true or as predicted class; balanced accuracy is over the classes that occur as true
class. A class that occurs as neither is left out of all averages.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def scores(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Returns all scores of a report as plain Python numbers, ready for JSON.

    Args:
      confusion: int [K, K], rows = true class, columns = predicted class, counts of images.
      classes: K names, in the order of the rows.

    Returns:
      `accuracy`; `mean_class_accuracy` (mean recall over the classes with images); `macro` (over
      the classes that occur as true or as predicted class) and `weighted`, each with `precision`,
      `recall`, `f1`; `count`; `per_class`, a list of `class`, `precision`, `recall`, `f1`,
      `support`; `confusion` as nested lists; `classes`. All rates are in [0, 1]; a rate whose
      denominator is zero is 0.

    Raises:
      ValueError: the matrix is not [K, K] for these K classes.
    """
    matrix = check_confusion(confusion, classes)
    hits, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    rates = {
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, support),
        "f1": ratio(2 * hits, support + predicted),
    }
    count = int(support.sum())
    has_images, occurs = support > 0, support + predicted > 0
    return {
        "accuracy": float(ratio(hits.sum(), count)),
        "mean_class_accuracy": float(ratio(rates["recall"] @ has_images, has_images.sum())),
        "macro": {name: float(ratio(rate @ occurs, occurs.sum())) for name, rate in rates.items()},
        "weighted": {name: float(ratio(rate @ support, count)) for name, rate in rates.items()},
        "count": count,
        "per_class": [
            {
                "class": name,
                **{rate: float(values[k]) for rate, values in rates.items()},
                "support": int(support[k]),
            }
            for k, name in enumerate(classes)
        ],
        "confusion": matrix.tolist(),
        "classes": list(classes),
    }


def ratio(part: np.ndarray | int, whole: np.ndarray | int) -> np.ndarray:
    """Returns `part / whole` as float64, elementwise, with 0 where `whole` is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)


def check_confusion(confusion: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Returns the confusion matrix as int64 [K, K].

    Raises:
      ValueError: the matrix is not [K, K] for these K classes.
    """
    matrix = np.asarray(confusion)
    if matrix.shape != (len(classes), len(classes)) or not len(classes):
        raise ValueError(
            f"a confusion matrix over {len(classes)} classes must be [K, K], not {matrix.shape}"
        )
    return matrix.astype(np.int64)
