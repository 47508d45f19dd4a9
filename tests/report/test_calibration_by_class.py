"""Calibration errors of each class against scikit-learn, loops, and networks of known error."""

import json

import numpy as np
import pytest

from ferjax.report.calibration import expected_calibration_error, softmax
from ferjax.report.calibration_by_class import calibration_by_class

CLASSES = ("anger", "fear", "happiness", "neutral")


def drawn(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities [N, 4], and labels that are drawn from them."""
    random = np.random.default_rng(seed)
    probabilities = softmax(random.normal(0, 2, (count, 4)))
    return probabilities, (random.random((count, 1)) < probabilities.cumsum(1)).argmax(1)


def test_errors_are_those_of_scikit_learns_curves() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    probabilities, labels = drawn()
    predicted = probabilities.argmax(1)
    for k, row in enumerate(calibration_by_class(probabilities, labels, CLASSES)):
        for name, images in (
            ("classwise_error", np.ones(len(labels), bool)),
            ("top_label_error", predicted == k),
        ):
            own, true = probabilities[images, k], labels[images] == k
            shares, means = calibration.calibration_curve(true, own, n_bins=15)
            # The curve does not say how many images are in its points.
            counts = np.histogram(own, np.linspace(0, 1, 16))[0]
            gaps = counts[counts > 0] * np.abs(shares - means)
            assert row[name] == pytest.approx(gaps.sum() / counts.sum()), (k, name)
        assert row["predicted"] == (predicted == k).sum()


def test_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.0, 1.0]])
    anger, fear, never = calibration_by_class(
        np.pad(probabilities, ((0, 0), (0, 1))), np.array([0, 1, 1, 1]), ("anger", "fear", "sad")
    )
    # Of anger, bins of 15: two images at 0.9, one of them right; one at 0.3 and one at 0, right.
    assert anger["classwise_error"] == pytest.approx((2 * 0.4 + 0.3 + 0) / 4)
    assert anger["top_label_error"] == pytest.approx(0.4)
    # Of fear: two at 0.1 with one of them, one at 0.7, one at 1.
    assert fear["classwise_error"] == pytest.approx((2 * 0.4 + 0.3 + 0) / 4)
    assert fear["top_label_error"] == pytest.approx((0.3 + 0) / 2)
    assert never == {
        "class": "sad",
        "classwise_error": 0.0,
        "predicted": 0,
        "top_label_error": None,
    }


def test_the_emotion_that_is_too_sure_is_found() -> None:
    """One class is said to be twice as likely as it is; the error over all hides whose it is."""
    probabilities, labels = drawn(4000)
    random = np.random.default_rng(1)
    wrong = (labels == 1) & (random.random(len(labels)) < 0.5)
    labels[wrong] = 3
    rows = {row["class"]: row for row in calibration_by_class(probabilities, labels, CLASSES)}
    assert rows["fear"]["top_label_error"] > 0.25
    assert rows["fear"]["classwise_error"] > 0.1
    for name in ("anger", "happiness"):
        assert rows[name]["top_label_error"] < 0.06
        assert rows[name]["classwise_error"] < 0.03
    overall = expected_calibration_error(probabilities, labels)
    assert rows["anger"]["top_label_error"] < overall < rows["fear"]["top_label_error"]


def test_the_mean_of_the_answers_errors_is_at_least_the_error_over_all() -> None:
    """Images of a bin that cancel out over all emotions do not within one."""
    for seed in range(5):
        probabilities, labels = drawn(300, seed)
        rows = calibration_by_class(probabilities, labels, CLASSES)
        total = sum(row["predicted"] * (row["top_label_error"] or 0) for row in rows)
        assert total / 300 >= expected_calibration_error(probabilities, labels) - 1e-12
        assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_what_does_not_fit_is_refused() -> None:
    probabilities, labels = drawn(5)
    with pytest.raises(ValueError, match="4 probabilities for 3 classes"):
        calibration_by_class(probabilities, labels, CLASSES[:3])
    with pytest.raises(ValueError, match="at least one image"):
        calibration_by_class(probabilities[:0], labels[:0], CLASSES)
    with pytest.raises(ValueError, match="0 bins"):
        calibration_by_class(probabilities, labels, CLASSES, bins=0)
