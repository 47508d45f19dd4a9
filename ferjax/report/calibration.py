"""Calibration of probabilities: calibration error, Brier score, temperature scaling.

Everywhere `probabilities` are float [N, K] with rows that sum to 1, and `labels` int [N], the true
classes. N is 1 or more.

References:
  Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
  https://arxiv.org/abs/1706.04599
  Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ferjax.report.confidence_bins import BINS, binned, error_of_bins

# The lowest and the highest temperature of the search.
LOWEST, HIGHEST = 0.01, 100.0
_HALVINGS = 50
_Fitted = TypeVar("_Fitted")


def calibration_scores(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS
) -> dict[str, Any]:
    """Returns all scores of this module as plain Python numbers, ready for JSON.

    They are `negative_log_likelihood`, `brier_score`, `expected_calibration_error` and
    `reliability`, the list that `reliability_bins` returns.

    Raises:
      ValueError: shapes that do not fit, labels out of range, or no images.
    """
    return {
        "negative_log_likelihood": negative_log_likelihood(probabilities, labels),
        "brier_score": brier_score(probabilities, labels),
        "expected_calibration_error": expected_calibration_error(probabilities, labels, bins),
        "reliability": reliability_bins(probabilities, labels, bins),
    }


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS
) -> float:
    """Returns the mean distance between a bin's confidence and its accuracy, over all images.

    Confidence is the probability of the most probable class; bins are as in `reliability_bins`.

    Raises:
      ValueError: as `calibration_scores`.
    """
    return error_of_bins(reliability_bins(probabilities, labels, bins))


def reliability_bins(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS
) -> list[dict[str, Any]]:
    """Returns count, mean confidence and accuracy of the images in each bin of confidence.

    Returns:
      As `binned`: a dictionary for each bin. Its `accuracy` is the share of its images whose most
      probable class (of equally probable classes the first) is the true one.

    Raises:
      ValueError: as `calibration_scores`, or no bins.
    """
    probabilities, labels = checked(probabilities, labels)
    return binned(probabilities.max(1), probabilities.argmax(1) == labels, bins)


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean over images of the squared distance to the true class, summed over classes.

    It is in [0, 2]; 0 means that every image has the probability 1 for its true class.

    Raises:
      ValueError: as `calibration_scores`.
    """
    probabilities, labels = checked(probabilities, labels)
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(1).mean())


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean of -log(probability of the true class), natural logarithm.

    A probability of 0 counts as the smallest normal float64, so that the result is finite.

    Raises:
      ValueError: as `calibration_scores`.
    """
    probabilities, labels = checked(probabilities, labels)
    true_probability = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true_probability, np.finfo(np.float64).tiny)).mean())


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Returns float64 [N, K], the softmax of logits float [N, K] divided by a temperature."""
    scaled = np.asarray(logits, np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the temperature T whose softmax(logits / T) has the least negative log-likelihood.

    The negative log-likelihood is convex in 1/T, so bisection of its slope over log T finds the
    single minimum, to a relative 1e-12. The result is at most 100; it is 100 where the logits are
    worse than chance. Where there is no minimum above 0.01 it is 1, which changes nothing. This
    happens if the highest logit is always the true one, where a finite number of images does not
    justify more certainty, or if all logits are equal. The same input always has the same result.

    Args:
      logits: float [N, K], finite.
      labels: int [N].

    Raises:
      ValueError: as `calibration_scores`, or logits that are not finite.
    """
    logits, labels = checked(logits, labels)
    if not np.isfinite(logits).all():
        raise ValueError("logits that are not finite have no temperature")
    # The differences are taken first: near certainty the expected logit rounds to the true one.
    difference_to_true = logits - logits[np.arange(len(labels)), labels][:, None]
    low, high = np.log(LOWEST), np.log(HIGHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # The slope of the loss in 1/T; below 0 a smaller T is better.
        if (softmax(logits, np.exp(middle)) * difference_to_true).sum() <= 0:
            high = middle
        else:
            low = middle
    temperature = float(np.exp((low + high) / 2))
    return temperature if temperature > LOWEST * (1 + 1e-6) else 1.0


def stratified_halves(labels: np.ndarray) -> np.ndarray:
    """Returns bool [N] that marks one of two halves, with the same share of every class in each.

    Every second image of a class is marked. The halves differ by at most one image, in each class
    and in all.
    """
    marked = np.zeros(len(labels), bool)
    marked[np.argsort(labels, kind="stable")[::2]] = True
    return marked


def cross_fitted(
    outputs: np.ndarray,
    labels: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], _Fitted],
    apply: Callable[[np.ndarray, _Fitted], np.ndarray],
) -> np.ndarray:
    """Returns the outputs of each half after applying what was fitted on the other half.

    No image takes part in the fit that is applied to it, so a score of the result is honest.

    Args:
      outputs: [N, ...], logits or probabilities.
      labels: int [N]; the halves are `stratified_halves` of them.
      fit: (outputs, labels) of one half → fitted value, such as `fit_temperature`.
      apply: (outputs of the other half, fitted value) → [M, ...], such as `softmax`.

    Returns:
      [N, ...], in the order of `outputs`.

    Raises:
      ValueError: fewer than two images.
    """
    outputs, labels = np.asarray(outputs), np.asarray(labels)
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} images have no two halves")
    marked = stratified_halves(labels)
    parts = {
        half: apply(outputs[rows], fit(outputs[~rows], labels[~rows]))
        for half, rows in ((True, marked), (False, ~marked))
    }
    pooled = np.empty((len(labels), *parts[True].shape[1:]), parts[True].dtype)
    pooled[marked], pooled[~marked] = parts[True], parts[False]
    return pooled


def cross_fitted_calibration(
    logits: np.ndarray, labels: np.ndarray, bins: int = BINS
) -> dict[str, Any]:
    """Returns `calibration_scores` with the temperature of each image fitted on the other half.

    Args:
      logits: float [N, K], finite.
      labels: int [N].
      bins: number of bins of the calibration error.

    Raises:
      ValueError: as `fit_temperature`, or fewer than two images.
    """
    return calibration_scores(cross_fitted(logits, labels, fit_temperature, softmax), labels, bins)


def checked(rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns float64 [N, K] and int [N]; raises `ValueError` if they do not fit each other."""
    rows, labels = np.asarray(rows, np.float64), np.asarray(labels)
    if rows.ndim != 2 or labels.shape != rows.shape[:1]:
        raise ValueError(f"[N, K] and [N] are expected, not {rows.shape} and {labels.shape}")
    if not len(labels):
        raise ValueError("calibration needs at least one image")
    if labels.min() < 0 or labels.max() >= rows.shape[1]:
        raise ValueError(f"labels outside of 0 to {rows.shape[1] - 1}")
    return rows, labels
