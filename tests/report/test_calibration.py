"""Calibration against scikit-learn, numbers by hand, and networks whose temperature is known."""

import json

import numpy as np
import pytest

from ferjax.report.calibration import (
    HIGHEST,
    brier_score,
    calibration_scores,
    cross_fitted,
    cross_fitted_calibration,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability_bins,
    softmax,
    stratified_halves,
)
from ferjax.report.confidence_bins import error_of_bins

SCORES = (expected_calibration_error, brier_score, negative_log_likelihood)


def drawn(count: int, classes: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits, and labels that are drawn from their softmax: temperature 1 is right."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    cumulated = softmax(logits).cumsum(1)
    return logits, (random.random((count, 1)) < cumulated).argmax(1)


def test_expected_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05], [0.91, 0.09], [0.45, 0.55], [0.4, 0.6], [0.5, 0.5]])
    labels = np.array([0, 1, 1, 1, 1])
    # Of ten bins: (0.9, 1] holds .95 and .91, half of them right; (0.5, 0.6] holds .55 and .6, both
    # right; (0.4, 0.5] holds .5, whose first class is wrong.
    error = (2 * 0.43 + 2 * 0.425 + 1 * 0.5) / 5
    assert expected_calibration_error(probabilities, labels, bins=10) == pytest.approx(error)
    rows = reliability_bins(probabilities, labels, bins=10)
    assert [row["count"] for row in rows] == [0, 0, 0, 0, 1, 2, 0, 0, 0, 2]
    assert rows[9] == pytest.approx(
        {"low": 0.9, "high": 1.0, "count": 2, "confidence": 0.93, "accuracy": 0.5}
    )
    assert rows[0] == {"low": 0, "high": 0.1, "count": 0, "confidence": None, "accuracy": None}
    assert error_of_bins(rows) == pytest.approx(error)
    assert json.loads(json.dumps(rows)) == rows


def test_certainty_that_is_right_and_wrong() -> None:
    right, wrong = np.eye(3), np.eye(3)[[1, 2, 0]]
    labels = np.arange(3)
    assert [score(right, labels) for score in SCORES] == [0, 0, 0]
    assert expected_calibration_error(wrong, labels) == 1
    assert brier_score(wrong, labels) == 2
    assert negative_log_likelihood(wrong, labels) == pytest.approx(708.4, abs=0.1)


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_scores_are_scikit_learns(classes: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    logits, labels = drawn(300, classes)
    probabilities, names = softmax(logits), list(range(classes))
    assert negative_log_likelihood(probabilities, labels) == pytest.approx(
        metrics.log_loss(labels, probabilities, labels=names)
    )
    theirs = metrics.brier_score_loss(labels, probabilities, labels=names, scale_by_half=False)
    assert brier_score(probabilities, labels) == pytest.approx(theirs)


@pytest.mark.parametrize("classes", [2, 8])
def test_reliability_is_scikit_learns_calibration_curve(classes: int) -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    logits, labels = drawn(500, classes)
    probabilities = softmax(logits)
    right, confidence = probabilities.argmax(1) == labels, probabilities.max(1)
    accuracies, confidences = calibration.calibration_curve(right, confidence, n_bins=15)
    rows = [row for row in reliability_bins(probabilities, labels) if row["count"]]
    np.testing.assert_allclose([row["accuracy"] for row in rows], accuracies)
    np.testing.assert_allclose([row["confidence"] for row in rows], confidences)


def test_no_score_depends_on_the_order() -> None:
    logits, labels = drawn(200)
    order = np.random.default_rng(1).permutation(200)
    classes = np.random.default_rng(2).permutation(8)
    renamed = np.argsort(classes)[labels]
    for score in (*SCORES, lambda p, y: fit_temperature(np.log(p), y)):
        expected = score(softmax(logits), labels)
        assert score(softmax(logits)[order], labels[order]) == pytest.approx(expected)
        assert score(softmax(logits)[:, classes], renamed) == pytest.approx(expected)


def test_softmax_of_large_logits() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e5, 1e5, -1e5]])), [[0.5, 0.5, 0]])
    np.testing.assert_allclose(softmax(np.array([[1.0, 3.0]]), 2), softmax(np.array([[0.5, 1.5]])))


@pytest.mark.parametrize("scale", [0.25, 1, 4, 30])
def test_the_temperature_of_scaled_logits_is_the_scale(scale: float) -> None:
    logits, labels = drawn(4000)
    found = fit_temperature(scale * logits, labels)
    assert found == pytest.approx(scale, rel=0.05)
    assert fit_temperature(logits, labels) * scale == pytest.approx(found, rel=1e-6)


def test_the_temperature_is_scipys_minimum() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    logits, labels = drawn(150, 3)

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(softmax(3 * logits, np.exp(log_temperature)), labels)

    theirs = optimize.minimize_scalar(
        loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}
    )
    assert np.log(fit_temperature(3 * logits, labels)) == pytest.approx(theirs.x, abs=1e-6)


def test_without_a_minimum_the_temperature_changes_nothing() -> None:
    certain = np.eye(4)
    labels = np.arange(4)
    for logits in (1e-3 * certain, 10 * certain, 1e4 * certain):
        # Four images, all right, are no reason to call every other image certain.
        assert fit_temperature(logits, labels) == 1
        assert fit_temperature(-logits, labels) == pytest.approx(HIGHEST)
    assert fit_temperature(np.zeros((4, 4)), labels) == 1


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 8)), np.zeros(0, int), "at least one image"),
        (np.zeros((2, 8)), np.zeros(3, int), r"\[N, K\]"),
        (np.zeros(8), np.zeros(8, int), r"\[N, K\]"),
        (np.zeros((2, 8)), np.array([0, 8]), "0 to 7"),
        (np.zeros((2, 8)), np.array([-1, 7]), "0 to 7"),
    ],
)
def test_what_does_not_fit_is_refused(logits: np.ndarray, labels: np.ndarray, message: str) -> None:
    for function in (*SCORES, fit_temperature, calibration_scores, reliability_bins):
        with pytest.raises(ValueError, match=message):
            function(logits, labels)


def test_logits_that_are_not_finite_and_no_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        fit_temperature(np.array([[0, np.nan]]), np.zeros(1, int))
    with pytest.raises(ValueError, match="bins"):
        reliability_bins(np.ones((1, 1)), np.zeros(1, int), bins=0)


def test_halves_are_stratified() -> None:
    labels = np.random.default_rng(0).choice(5, 333, p=[0.6, 0.2, 0.1, 0.09, 0.01])
    marked = stratified_halves(labels)
    assert abs(2 * marked.sum() - 333) == 1
    for k in range(5):
        assert abs((2 * marked[labels == k] - 1).sum()) <= 1
    np.testing.assert_array_equal(marked, stratified_halves(labels))


def test_cross_fitting_keeps_images_out_of_their_own_fit() -> None:
    labels = np.array([0, 1, 0, 1, 0, 1, 0])
    ids = np.arange(7)[:, None]
    fitted_on = cross_fitted(
        ids,
        labels,
        lambda rows, _: set(rows[:, 0].tolist()),
        lambda rows, seen: np.array([[seen.isdisjoint({row}), len(seen)] for row in rows[:, 0]]),
    )
    assert fitted_on[:, 0].all()
    assert sorted(fitted_on[:, 1].tolist()) == [3, 3, 3, 3, 4, 4, 4]
    with pytest.raises(ValueError, match="no two halves"):
        cross_fitted(ids[:1], labels[:1], lambda rows, _: rows, lambda rows, _: rows)


def test_cross_fitted_temperature_calibrates() -> None:
    logits, labels = drawn(3000)
    before = calibration_scores(softmax(3 * logits), labels)
    after = cross_fitted_calibration(3 * logits, labels)
    assert before["expected_calibration_error"] > 0.1
    assert after["expected_calibration_error"] < 0.03
    assert after["negative_log_likelihood"] < before["negative_log_likelihood"]
    assert after["brier_score"] < before["brier_score"]
    # The temperature of the other half is a little worse than one of all images.
    own = calibration_scores(softmax(3 * logits, fit_temperature(3 * logits, labels)), labels)
    assert own["negative_log_likelihood"] <= after["negative_log_likelihood"]
    assert json.loads(json.dumps(after)) == after
