"""Conformal sets: an example by hand, thresholds of all levels, coverage of random images."""

import json

import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.report.calibration import softmax
from ferjax.report.prediction_sets import (
    conformal_quantiles,
    coverage_by_class,
    cross_fitted_coverage,
    mean_set_size,
    prediction_sets,
    threshold,
)

# Of nine images: the scores 1 - probability of the true class are 0.1, 0.2 ... 0.9.
TRUE = np.linspace(0.9, 0.1, 9)
NINE = np.stack([TRUE, 1 - TRUE], axis=1), np.zeros(9, int)


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits, and labels that are drawn from their softmax."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 8))
    cumulated = softmax(logits).cumsum(1)
    return logits, (random.random((count, 1)) < cumulated).argmax(1)


def test_thresholds_by_hand() -> None:
    table = conformal_quantiles(*NINE)
    assert table["n"] == 9
    assert table["ranks"] == list(range(1, 10))
    assert table["scores"] == pytest.approx(np.linspace(0.1, 0.9, 9))
    # ceil(10 c): 0.9 takes the ninth score, 0.81 too, 0.8 the eighth.
    expected = {0.9: 0.9, 0.81: 0.9, 0.8: 0.8, 0.7: 0.7, 0.3: 0.3, 0.01: 0.1}
    for coverage, score in expected.items():
        assert threshold(table, coverage) == pytest.approx(score)
    assert threshold(json.loads(json.dumps(table)), 0.5) == threshold(table, 0.5)


def test_sets_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.34, 0.33, 0.33]])
    np.testing.assert_array_equal(
        prediction_sets(probabilities, 0.65), [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    )
    np.testing.assert_array_equal(prediction_sets(probabilities, 1.0), np.ones((3, 3)))
    np.testing.assert_array_equal(prediction_sets(probabilities, 0.0), np.eye(3)[[0, 0, 0]])
    assert mean_set_size(prediction_sets(probabilities, 0.65)) == pytest.approx(4 / 3)


@pytest.mark.parametrize("n", [1, 5, 199, 200, 201, 3199])
def test_thinned_tables_are_exact_or_a_little_larger(n: int) -> None:
    scores = np.sort(np.random.default_rng(n).random(n))
    table = conformal_quantiles(1 - scores[:, None], np.zeros(n, int))
    assert len(table["ranks"]) == len(table["scores"]) <= 200
    for coverage in np.linspace(0.003, 0.997, 331):
        rank = int(np.ceil((n + 1) * coverage - 1e-9))
        if rank > n:
            with pytest.raises(UserError, match=f"{n:,} images"):
                threshold(table, coverage)
            continue
        found = threshold(table, coverage)
        assert scores[rank - 1] - 1e-12 <= found
        assert found <= scores[min(rank + (n + 1) // 200, n - 1)] + 1e-12
    for percent in (50, 80, 90, 95, 99):
        if (rank := -(-(n + 1) * percent // 100)) <= n:
            assert threshold(table, percent / 100) == pytest.approx(scores[rank - 1], abs=1e-12)


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 1.5, 90, float("nan")])
def test_coverages_outside_are_refused(coverage: float) -> None:
    with pytest.raises(UserError, match=r"sets=.*between 0 and 1"):
        threshold(conformal_quantiles(*NINE), coverage)


def test_coverages_beyond_the_images_say_what_they_allow() -> None:
    with pytest.raises(UserError, match=r"9 images, which allow a coverage of at most 0\.9;"):
        threshold(conformal_quantiles(*NINE), 0.95)


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[n, K\]"):
        conformal_quantiles(np.zeros((0, 8)), np.zeros(0, int))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("scale", [0.3, 1, 3])
def test_exchangeable_images_are_covered(level: float, scale: float) -> None:
    """The guarantee holds however wrong the probabilities are."""
    logits, labels = drawn(6000, seed=5)
    probabilities = softmax(scale * logits)
    limit = threshold(conformal_quantiles(probabilities[:3000], labels[:3000]), level)
    sets = prediction_sets(probabilities[3000:], limit)
    covered = sets[np.arange(3000), labels[3000:]].mean()
    # Four standard deviations: of the images drawn for the test and for the table.
    spread = 4 * np.sqrt(2 * level * (1 - level) / 3000)
    assert covered >= level - spread
    top = (probabilities[3000:].argmax(1) == labels[3000:]).mean()
    assert covered <= max(level, top) + spread
    measured = cross_fitted_coverage(probabilities, labels, level, list("abcdefgh"))
    assert measured["coverage"] >= level - spread
    assert measured["interval"][0] < measured["coverage"] < measured["interval"][1]
    assert sum(measured["sizes"]) == pytest.approx(1)
    sizes = np.dot(measured["sizes"], np.arange(1, 9))
    assert measured["mean_set_size"] == pytest.approx(sizes)
    assert json.loads(json.dumps(measured)) == measured


def test_coverage_of_each_class() -> None:
    sets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0]], bool)
    labels = np.array([0, 0, 1, 1])
    assert coverage_by_class(sets, labels, ["anger", "fear", "disgust"]) == {
        "anger": 0.5,
        "fear": 1.0,
        "disgust": None,
    }


def test_sets_do_not_depend_on_the_order_of_images() -> None:
    logits, labels = drawn(400)
    order = np.random.default_rng(0).permutation(400)
    probabilities = softmax(logits)
    table = conformal_quantiles(probabilities, labels)
    assert conformal_quantiles(probabilities[order], labels[order]) == table
