"""Scores of logits against labels, for a training loop of your own."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.report.scores import scores
from ferjax.runtime.finite_arrays import not_finite
from ferjax.training.metrics import Evaluation, evaluation


def metrics(logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Returns every score of a report as plain Python numbers, computed in float64.

    Args:
      logits: float [N, K].
      labels: int [N].
      classes: K names.

    Returns:
      `loss` (mean cross-entropy), `accuracy`, `mean_class_accuracy`, `macro` and `weighted`
      (precision, recall, f1), `per_class`, `confusion` (rows are true classes), `count`, `classes`.

    Raises:
      UserError: as `checked_evaluation`.
    """
    result = checked_evaluation(logits, labels, classes)
    return {**scores(result.confusion, classes), "loss": result.loss}


def checked_evaluation(
    logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> Evaluation:
    """Returns the evaluation of logits float [N, K] against labels int [N].

    Raises:
      UserError: logits that are not finite, of which numpy would take the first class as the most
        probable; not a column for each class; or logits and labels that do not fit each other.
    """
    logits = np.asarray(logits)
    if logits.ndim == 2 and logits.shape[1] != len(classes):
        raise UserError(
            f"logits {logits.shape} and {len(classes)} classes ({', '.join(classes)}) do not fit:"
            " expected [N, K], a column for each class."
        )
    if wrong := not_finite({"the logits": logits}):
        raise UserError(
            f"{wrong}: the network has diverged. Use the parameters of an earlier epoch, or train"
            " again with a lower learning rate."
        )
    return evaluation(logits, labels)
