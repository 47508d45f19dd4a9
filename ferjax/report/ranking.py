"""Ranking of the images by the probability of a class: ROC, precision and recall.

Everywhere `scores` are float [N], such as the probabilities of one class, and `positive` bool [N]
marks the images of that class. Images with equal scores share one threshold, as in scikit-learn.

References:
  Fawcett, "An Introduction to ROC Analysis", 2006.
  Davis and Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.report.headline import weighted_auc


def ranking_by_class(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns for each class, against all others, its `class`, `roc_auc` and `average_precision`.

    Args:
      probabilities: float [N, K].
      labels: int [N].
      classes: K names.

    Returns:
      K dictionaries, ready for JSON. Both scores are None for a class without images; `roc_auc` is
      also None for a class that has all images.
    """
    rankings = []
    for k, name in enumerate(classes):
        scores, positive = probabilities[:, k], labels == k
        area = float(weighted_auc(scores, positive, np.ones((len(scores), 1)))[0])
        rankings.append(
            {
                "class": name,
                "roc_auc": area if np.isfinite(area) else None,
                "average_precision": average_precision(scores, positive),
            }
        )
    return rankings


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the rates of false and of true positives, float [M], from (0, 0) to (1, 1).

    None where no image, or every image, is positive.
    """
    hits, false_hits = _cumulated(scores, positive)
    if not hits[-1] or not false_hits[-1]:
        return None
    return false_hits / false_hits[-1], hits / hits[-1]


def precision_recall_curve(
    scores: np.ndarray, positive: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns recall, ascending, and precision, float [M], of each threshold; None without images.

    Between two thresholds the precision is that of the higher recall: the curve is a step function.
    """
    hits, false_hits = (counts[1:] for counts in _cumulated(scores, positive))
    if not len(hits) or not hits[-1]:
        return None
    return hits / hits[-1], hits / (hits + false_hits)


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Returns the area under the steps of the precision-recall curve; None without images.

    For a random order it is the share of positive images.
    """
    curve = precision_recall_curve(scores, positive)
    if curve is None:
        return None
    recall, precision = curve
    return float(np.diff(recall, prepend=0.0) @ precision)


def _cumulated(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the cumulated true and false positives, int [M + 1] each, of M distinct scores.

    The first value of each is 0. The others count the images at or above each distinct score, from
    the highest score down.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_equals = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    last_of_equals = last_of_equals[: len(scores)]
    hits = np.cumsum(positive[order])[last_of_equals]
    return np.append(0, hits), np.append(0, last_of_equals + 1 - hits)
