"""Headline scores against scikit-learn: random, tied and degenerate input."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.report.calibration import expected_calibration_error
from ferjax.report.headline import HEADLINE, headline_scores, prepared, weighted_scores
from ferjax.report.scores import scores


@st.composite
def images(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draws probabilities, with ties or without, and labels that may leave classes out."""
    count, k = draw(st.integers(1, 30)), draw(st.integers(2, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Eighths are exact, so that ties are too.
    rows = random.multinomial(8, np.ones(k) / k, count) / 8
    if draw(st.booleans()):
        rows = random.dirichlet(np.ones(k), count)
    return rows, random.choice(draw(st.integers(1, k)), count)


def names(k: int) -> list[str]:
    return [f"class{i}" for i in range(k)]


def in_scikit_learn(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    from sklearn import metrics as sklearn_metrics  # takes seconds

    metrics: Any = sklearn_metrics
    k = probabilities.shape[1]
    predicted, every = probabilities.argmax(1), list(range(k))
    counts = np.bincount(labels, minlength=k)
    judged = [j for j in every if 0 < counts[j] < len(labels)]
    areas = [metrics.roc_auc_score(labels == j, probabilities[:, j]) for j in judged]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # predicted classes that never occur; undefined kappa
        kappa = metrics.cohen_kappa_score(labels, predicted)
        clipped = np.maximum(probabilities, np.finfo(float).tiny)
        # Of equals scikit-learn takes the last as more probable, so that classes are reversed.
        top2 = metrics.top_k_accuracy_score(
            k - 1 - labels,
            probabilities[:, ::-1] if k > 2 else probabilities[:, 0],
            k=2,
            labels=every,
        )
        return {
            "accuracy": metrics.accuracy_score(labels, predicted),
            "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
            "macro_f1": metrics.f1_score(labels, predicted, average="macro"),
            "cohen_kappa": None if np.isnan(kappa) else kappa,
            "top2_accuracy": 1.0 if k == 2 else top2,
            "roc_auc": float(np.mean(areas)) if areas else None,
            "negative_log_likelihood": float(
                -np.log(clipped[np.arange(len(labels)), labels]).mean()
            ),
            "brier_score": metrics.brier_score_loss(
                labels, probabilities, labels=every, scale_by_half=False
            ),
            "expected_calibration_error": expected_calibration_error(probabilities, labels),
        }


@settings(max_examples=60, deadline=None)
@given(images())
def test_scores_equal_scikit_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = drawn
    found = headline_scores(probabilities, labels, names(probabilities.shape[1]))
    expected = in_scikit_learn(probabilities, labels)
    assert list(found) == list(HEADLINE)
    assert {k for k, v in found.items() if v is None} == {
        k for k, v in expected.items() if v is None
    }
    for name, value in found.items():
        if value is not None:
            assert value == pytest.approx(expected[name], abs=1e-9), name
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@settings(max_examples=40, deadline=None)
@given(images())
def test_scores_are_those_of_the_confusion_matrix(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = drawn
    k = probabilities.shape[1]
    cells = np.bincount(labels * k + probabilities.argmax(1), minlength=k * k).reshape(k, k)
    found, expected = headline_scores(probabilities, labels, names(k)), scores(cells, names(k))
    assert found["accuracy"] == pytest.approx(expected["accuracy"])
    assert found["balanced_accuracy"] == pytest.approx(expected["mean_class_accuracy"])
    assert found["macro_f1"] == pytest.approx(expected["macro"]["f1"])


@settings(max_examples=40, deadline=None)
@given(images(), st.integers(0, 99))
def test_an_image_of_weight_two_counts_as_two(
    drawn: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    probabilities, labels = drawn
    classes, count = names(probabilities.shape[1]), len(labels)
    weights = np.random.default_rng(seed).multinomial(count, np.ones(count) / count, 3).T
    for kind in (np.float64, np.float32):
        found = weighted_scores(prepared(probabilities, labels, classes), weights.astype(kind))
        for column, counts in enumerate(weights.T):
            rows = np.repeat(np.arange(count), counts)
            expected = headline_scores(probabilities[rows], labels[rows], classes)
            for name, value in expected.items():
                if value is None:
                    assert np.isnan(found[name][column])
                else:
                    assert found[name][column] == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_one_image_of_one_class() -> None:
    found = headline_scores(np.ones((1, 1)), np.zeros(1, int), ["happiness"])
    undefined = ("cohen_kappa", "roc_auc")
    assert {name for name, value in found.items() if value is None} == set(undefined)
    assert found["accuracy"] == found["macro_f1"] == found["top2_accuracy"] == 1
    assert found["brier_score"] == found["expected_calibration_error"] == 0


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.ones((0, 2)), np.zeros(0, int), "at least one image"),
        (np.ones((2, 3)) / 3, np.zeros(2, int), "3 probabilities for 2 classes"),
        (np.ones((2, 2)) / 2, np.array([0, 2]), "labels outside of 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(
    probabilities: np.ndarray, labels: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        headline_scores(probabilities, labels, names(2))
