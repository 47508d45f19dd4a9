"""Calibration fitted on one split and measured on another, or on halves of one."""

import json

import numpy as np
import pytest

from ferjax.evaluation.calibrated_scores import calibrated_scores, fit_calibration
from ferjax.evaluation.scores_and_figures import judged_results
from ferjax.report.calibration import (
    calibration_scores,
    cross_fitted_calibration,
    fit_temperature,
    softmax,
)
from ferjax.report.calibration_by_class import calibration_by_class
from ferjax.report.prediction_sets import conformal_quantiles, prediction_sets, threshold
from ferjax.training.metrics import Evaluation, evaluation

CLASSES = ("anger", "fear", "happiness", "neutral")


def drawn(count: int, seed: int, scale: float = 3.0) -> tuple[np.ndarray, Evaluation]:
    """Returns logits, `scale` times too large, and their evaluation."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 4))
    labels = (random.random((count, 1)) < softmax(logits).cumsum(1)).argmax(1)
    return scale * logits, evaluation(scale * logits, labels)


def test_what_is_fitted_on_val_is_measured_on_test() -> None:
    logits, val = drawn(1500, 0)
    others, test = drawn(1500, 1)
    fit = fit_calibration(val, "val")
    assert json.loads(json.dumps(fit)) == fit
    assert fit["fitted_on"] == "val, 1,500 images"
    temperature = fit_temperature(logits, val.labels)
    assert fit["temperature"] == pytest.approx(temperature, rel=1e-6)
    found = calibrated_scores(test, CLASSES, json.loads(json.dumps(fit)))
    assert found is not None
    expected = calibration_scores(softmax(others, temperature), test.labels)
    for name in ("negative_log_likelihood", "brier_score", "expected_calibration_error"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
    by_class = calibration_by_class(softmax(others, temperature), test.labels, CLASSES)
    for own, row in zip(found["by_class"], by_class, strict=True):
        assert (own["class"], own["predicted"]) == (row["class"], row["predicted"])
        for error in ("classwise_error", "top_label_error"):
            assert own[error] == pytest.approx(row[error], rel=1e-5)
    before = calibration_scores(test.probabilities, test.labels)
    assert found["expected_calibration_error"] < before["expected_calibration_error"] / 3
    table = conformal_quantiles(softmax(logits, temperature), val.labels)
    sets = prediction_sets(softmax(others, temperature), threshold(table, 0.9))
    covered = sets[np.arange(1500), test.labels]
    assert found["sets"]["coverage"] == covered.mean() == pytest.approx(0.9, abs=0.03)
    assert found["sets"]["by_class"]["fear"] == covered[test.labels == 1].mean()
    assert found["sets"]["mean_set_size"] == sets.sum(1).mean()


def test_without_another_split_halves_are_fitted() -> None:
    logits, val = drawn(600, 2)
    found = calibrated_scores(val, CLASSES)
    assert found is not None
    assert found["fitted_on"] == "the other half of these images"
    expected = cross_fitted_calibration(logits, val.labels)
    assert found["brier_score"] == pytest.approx(expected["brier_score"], rel=1e-6)
    assert found["sets"]["coverage"] == pytest.approx(0.9, abs=0.05)


def test_few_images_have_no_sets() -> None:
    assert calibrated_scores(drawn(1, 0)[1], CLASSES) is None
    for count in (2, 12):
        found = calibrated_scores(drawn(count, 0)[1], CLASSES)
        assert found is not None
        assert found["sets"] is None
    fit = fit_calibration(drawn(5, 0)[1], "val")
    found = calibrated_scores(drawn(1, 1)[1], CLASSES, fit)
    assert found is not None
    assert found["sets"] is None


def test_the_selected_weights_alone_have_intervals() -> None:
    _, val = drawn(60, 0)
    _, test = drawn(60, 1)
    kinds = {"last": val, "selected": val, "last+flip": val, "selected+flip": val}
    found = {"val": kinds, "test": {**kinds, "selected": test}}
    fit = fit_calibration(val, "val")
    votes = {"val": None, "test": None}
    results = judged_results(
        found, CLASSES, {"last": 9, "selected": 4}, votes, {("test", "selected"): fit}
    )
    for split in found:
        for kind, scores in results[split].items():
            assert ("intervals" in scores) == ("calibrated" in scores) == ("selected" in kind)
            assert scores["epoch"] == (4 if "selected" in kind else 9)
            assert scores["headline"]["accuracy"] == scores["accuracy"]
    assert results["test"]["selected"]["calibrated"]["fitted_on"] == "val, 60 images"
    assert results["test"]["selected+flip"]["calibrated"]["fitted_on"].startswith("the other half")
    assert json.loads(json.dumps(results)) == results
    only = judged_results({"all": {"last": val}}, CLASSES, {"last": 9}, {"all": None}, {})
    assert "intervals" in only["all"]["last"]
