"""Every metric equals scikit-learn's on random and on degenerate predictions.

Degenerate: one image, one class, a class without images, one answer for every image, ties,
probabilities of 0 and 1. The headline scores, the scores of a confusion matrix, the ranking and
the claims of papers have such tests of their own (tests/report, tests/reproduce/judging); here are
the others: what an evaluation computes from logits, and calibration.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ferjax
from ferjax.errors import UserError
from ferjax.report.calibration import (
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from ferjax.report.calibration_by_class import calibration_by_class
from ferjax.training.metrics import evaluation, recall_by_class

TINY = np.finfo(np.float64).tiny
Images = tuple[np.ndarray, np.ndarray]


def certain(predicted: list[int], labels: list[int], k: int = 3) -> Images:
    """Returns probabilities of 0 and 1, and labels."""
    return np.eye(k)[predicted], np.array(labels)


def alike(labels: list[int], k: int = 3) -> Images:
    """Returns equal probabilities for all classes of every image, and labels."""
    return np.full((len(labels), k), 1 / k), np.array(labels)


# Named, so that they are tried in every run.
DEGENERATE: dict[str, Images] = {
    "one image, right": certain([1], [1]),
    "one image, wrong": certain([1], [2]),
    "one image, undecided": alike([2]),
    "one class has all images": certain([0, 1, 0, 2], [0, 0, 0, 0]),
    "one class has all images and answers": certain([2, 2, 2], [2, 2, 2]),
    "one answer for every image": certain([0, 0, 0, 0], [0, 1, 2, 1]),
    "one answer, never right": certain([0, 0], [1, 2]),
    "a class without images and answers": certain([0, 1, 1], [0, 1, 0], 4),
    "a class that is only predicted": certain([0, 3, 1], [0, 1, 1], 4),
    "ties everywhere": alike([0, 1, 2, 2, 1]),
    "two classes": (np.array([[0.5, 0.5], [1, 0], [0, 1]]), np.array([1, 0, 0])),
    "confidences on the edges of bins": (
        np.array([[k / 15, 1 - k / 15] for k in range(16)]),
        np.arange(16) % 2,
    ),
}


@st.composite
def images(draw: st.DrawFn) -> Images:
    """Draws probabilities, with ties, zeros and ones or without; labels may leave classes out."""
    count, k = draw(st.integers(1, 25)), draw(st.integers(2, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Eighths are exact, so that ties are too.
    pieces = draw(st.sampled_from([1, 8]))
    rows = random.multinomial(pieces, random.dirichlet(np.ones(k)), count) / pieces
    if draw(st.booleans()):
        rows = random.dirichlet(np.full(k, 0.3), count)
    return rows, random.choice(draw(st.integers(1, k)), count)


def with_named_cases(function: Any) -> Any:
    """Returns the test of drawn images, which the named cases come before."""
    for case in DEGENERATE.values():
        function = example(case)(function)
    return settings(max_examples=40)(given(images())(function))


def oracles(probabilities: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, Any, Any]]:
    """Yields name, ferjax's value and scikit-learn's, of what an evaluation computes."""
    from sklearn import metrics as sklearn_metrics  # takes seconds

    metrics: Any = sklearn_metrics
    k = probabilities.shape[1]
    names, every = [f"class{i}" for i in range(k)], list(range(k))
    # The softmax of these is the probabilities, except that no probability of it is 0.
    logits = np.log(np.maximum(probabilities, TINY))
    result, predicted = evaluation(logits, labels), probabilities.argmax(1)
    of_true = np.maximum(probabilities[np.arange(len(labels)), labels], TINY)
    yield "probabilities", result.probabilities, probabilities
    yield "predicted", result.predicted, predicted
    yield "loss", result.loss, -np.log(of_true).mean()
    if of_true.min() > 1e-12:  # scikit-learn counts smaller ones as 2e-16
        yield "loss", result.loss, metrics.log_loss(labels, probabilities, labels=every)
    confusion = metrics.confusion_matrix(labels, predicted, labels=every)
    yield "confusion", result.confusion, confusion
    yield "accuracy", result.accuracy, metrics.accuracy_score(labels, predicted)
    recalls = metrics.recall_score(
        labels, predicted, labels=every, average=None, zero_division=np.nan
    )
    found = recall_by_class(result.confusion, names)
    assert list(found) == names
    yield "recall", [np.nan if v is None else v for v in found.values()], recalls
    own = ferjax.metrics(logits, labels, names)
    for rate, average in (("macro", "macro"), ("weighted", "weighted")):
        expected = metrics.precision_recall_fscore_support(
            labels, predicted, average=average, zero_division=0
        )
        yield rate, list(own[rate].values()), expected[:3]
    yield "own loss", own["loss"], result.loss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # predicted classes that never occur
        balanced = metrics.balanced_accuracy_score(labels, predicted)
    yield "balanced accuracy", own["mean_class_accuracy"], balanced
    yield (
        "Brier score",
        brier_score(probabilities, labels),
        metrics.brier_score_loss(labels, probabilities, labels=every, scale_by_half=False),
    )
    yield (
        "negative log-likelihood",
        negative_log_likelihood(probabilities, labels),
        -np.log(of_true).mean(),
    )


@with_named_cases
def test_an_evaluation_equals_scikit_learn(drawn: Images) -> None:
    for name, value, expected in oracles(*drawn):
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12, err_msg=name)


def error_of_curve(chances: np.ndarray, true: np.ndarray) -> float:
    """Returns the calibration error of a class, by scikit-learn's curve."""
    from sklearn.calibration import calibration_curve

    shares, means = calibration_curve(true, chances, n_bins=15)
    # Which point of the curve each image is in, as scikit-learn finds it.
    counts = np.bincount(np.searchsorted(np.linspace(0, 1, 16)[1:-1], chances), minlength=15)
    counts = counts[counts > 0]
    return float((counts * np.abs(shares - means)).sum() / counts.sum())


@with_named_cases
# scikit-learn wants both outcomes to occur.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_calibration_errors_are_those_of_scikit_learns_curve(drawn: Images) -> None:
    probabilities, labels = drawn
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    error = expected_calibration_error(probabilities, labels)
    assert error == pytest.approx(error_of_curve(confidence, predicted == labels), abs=1e-9)
    assert sum(row["count"] for row in reliability_bins(probabilities, labels)) == len(labels)
    names = [f"class{i}" for i in range(probabilities.shape[1])]
    for k, row in enumerate(calibration_by_class(probabilities, labels, names)):
        own, answers = probabilities[:, k], predicted == k
        assert row["classwise_error"] == pytest.approx(error_of_curve(own, labels == k), abs=1e-9)
        assert (row["top_label_error"] is None) == (not answers.any())
        if answers.any():
            expected = error_of_curve(own[answers], labels[answers] == k)
            assert row["top_label_error"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [((0, 3), (0,)), ((4, 3), (3,)), ((4, 3), (1,)), ((1, 3), (4,)), ((4,), (4,))],
)
def test_what_does_not_fit_is_no_score(logits: tuple[int, ...], labels: tuple[int, ...]) -> None:
    """Numpy stretches one label to all images, and takes the first rows of too many."""
    for score in (evaluation, lambda rows, of: ferjax.metrics(rows, of, ["a", "b", "c"])):
        with pytest.raises(UserError, match=r"expected \[N, K\] and \[N\]"):
            score(np.zeros(logits), np.zeros(labels, int))
