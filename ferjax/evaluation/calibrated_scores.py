"""Calibration after temperature scaling, and conformal prediction sets, of an evaluation.

The temperature and the threshold of the sets are fitted on the split that selected the epoch, and
measured on another split. If there is no other split, the images are divided into two halves, and
each half is measured with the values that were fitted on the other half.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.report.calibration import (
    calibration_scores,
    cross_fitted,
    fit_temperature,
    softmax,
)
from ferjax.report.calibration_by_class import calibration_by_class
from ferjax.report.prediction_sets import (
    conformal_quantiles,
    cross_fitted_coverage,
    measured_coverage,
    prediction_sets,
    threshold,
)
from ferjax.training.metrics import Evaluation

COVERAGE = 0.9
_OTHER_HALF = "the other half of these images"


def fit_calibration(result: Evaluation, split: str) -> dict[str, Any]:
    """Returns the temperature and the conformal quantiles fitted on an evaluation, for JSON.

    The keys are `temperature`; `prediction_sets`, the table of `conformal_quantiles` at that
    temperature; and `fitted_on`, the split and its number of images in words.

    Args:
      result: an evaluation of the split that selected the epoch.
      split: name of that split.
    """
    logits = _logits(result)
    temperature = fit_temperature(logits, result.labels)
    return {
        "fitted_on": f"{split}, {len(result.labels):,} images",
        "temperature": temperature,
        "prediction_sets": conformal_quantiles(softmax(logits, temperature), result.labels),
    }


def calibrated_scores(
    result: Evaluation, classes: Sequence[str], fit: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Returns the calibration with a temperature, and the coverage of prediction sets.

    Args:
      result: an evaluation. Without a fit, two images or more are needed.
      classes: K names.
      fit: from `fit_calibration`, of other images and the same classes. None: each half of the
        images is measured with the values fitted on the other half.

    Returns:
      `fitted_on`, `temperature` (without a fit that of all images, although each half has its own),
      `negative_log_likelihood`, `brier_score`, `expected_calibration_error`, `by_class`, from
      `calibration_by_class`, and `sets`, from `measured_coverage`, or None where the images are too
      few for sets of 90 %. The result is None without a fit and with fewer than two images.
    """
    logits, labels = _logits(result), result.labels
    if fit is None and len(labels) < 2:
        return None
    temperature = fit["temperature"] if fit else fit_temperature(logits, labels)
    probabilities = softmax(logits, temperature)
    try:
        if fit:
            limit = threshold(fit["prediction_sets"], COVERAGE)
            sets = prediction_sets(probabilities, limit)
            coverage = measured_coverage(sets, labels, COVERAGE, classes)
        else:
            coverage = cross_fitted_coverage(probabilities, labels, COVERAGE, classes)
    except UserError:  # there are too few images for this coverage
        coverage = None
    calibrated = probabilities if fit else cross_fitted(logits, labels, fit_temperature, softmax)
    measured = calibration_scores(calibrated, labels)
    return {
        "fitted_on": fit["fitted_on"] if fit else _OTHER_HALF,
        "temperature": temperature,
        **{name: value for name, value in measured.items() if name != "reliability"},
        "by_class": calibration_by_class(calibrated, labels, classes),
        "sets": coverage,
    }


def _logits(result: Evaluation) -> np.ndarray:
    """Returns logits float64 [N, K] whose softmax is the probabilities of an evaluation."""
    return np.log(np.maximum(result.probabilities, np.finfo(np.float64).tiny))
