"""Scores of logits against labels, for a training loop of your own."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.report.scores import scores
from ferjax.training.metrics import evaluation


def metrics(logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Returns every score of a report as plain Python numbers, computed in float64.

    Args:
      logits: float [N, K].
      labels: int [N].
      classes: K names.

    Returns:
      `loss` (mean cross-entropy), `accuracy`, `mean_class_accuracy`, `macro` and `weighted`
      (precision, recall, f1), `per_class`, `confusion` (rows are true classes), `count`, `classes`.
    """
    result = evaluation(np.asarray(logits), np.asarray(labels))
    return {**scores(result.confusion, classes), "loss": result.loss}
