"""Paired tests against SciPy, statsmodels' printed examples, and networks of known difference."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from ferjax.report.headline import headline_scores
from ferjax.report.paired_tests import (
    bootstrap_scores,
    holm,
    mcnemar,
    paired_difference,
    welch,
)


def marks(only_first: int, only_second: int, both: int = 5) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, False, True], [only_first, only_second, both])
    return first, np.repeat([False, True, True], [only_first, only_second, both])


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (0, 1), (3, 9), (5, 5), (121, 59), (800, 700), (0, 40)]
)
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int) -> None:
    found = mcnemar(*marks(only_first, only_second))
    assert (found["only_first"], found["only_second"]) == (only_first, only_second)
    n = only_first + only_second
    expected = stats.binomtest(only_first, n).pvalue if n else 1.0
    assert found["p"] == pytest.approx(expected)
    assert mcnemar(*marks(only_second, only_first))["p"] == found["p"]


@pytest.mark.parity
def test_mcnemar_and_holm_are_statsmodels() -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for b, c in ((3, 9), (5, 5), (121, 59)):
        theirs = tables.mcnemar([[10, b], [c, 10]], exact=True).pvalue
        assert mcnemar(*marks(b, c))["p"] == pytest.approx(theirs)
    p_values = np.random.default_rng(0).random(9) ** 3
    theirs = multitest.multipletests(p_values, method="holm")[1]
    assert holm(p_values.tolist()) == pytest.approx(theirs.tolist())


def test_holm_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2, and 0.04, which may not fall below the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, None, 0.5]) == [1.0, None, 1.0]
    assert holm([]) == []


def drawn(count: int, rates: tuple[float, ...], seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns labels and predictions of networks that are right so often, each by itself."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    predicted = [
        np.where(random.random(count) < rate, labels, (labels + random.integers(1, 4, count)) % 4)
        for rate in rates
    ]
    return labels, predicted


def test_resampled_scores_are_those_of_the_drawn_images() -> None:
    labels, (first, second) = drawn(60, (0.7, 0.6), 0)
    found = bootstrap_scores(labels, [first, second], 4, draws=5, seed=3)
    rows = np.random.default_rng(3).integers(0, 60, (5, 60))
    for number, drawn_rows in enumerate(rows):
        scores = [
            headline_scores(np.eye(4)[each[drawn_rows]], labels[drawn_rows], list("abcd"))
            for each in (first, second)
        ]
        for name in ("accuracy", "macro_f1"):
            mean = sum(each[name] or 0 for each in scores) / 2
            assert found[name][number] == pytest.approx(mean)


def test_resamples_are_paired() -> None:
    labels, (first, _) = drawn(200, (0.7, 0.6), 1)
    one, same = (bootstrap_scores(labels, [first], 4, draws=300) for _ in range(2))
    found = paired_difference(one["accuracy"], same["accuracy"])
    assert found == {"low": 0.0, "high": 0.0, "p": 1.0}


def test_the_interval_of_a_difference_covers_it() -> None:
    covered = rejected = 0
    for seed in range(100):
        labels, (first, second) = drawn(250, (0.7, 0.7), seed)
        one, other = (
            bootstrap_scores(labels, [each], 4, draws=200, seed=seed)["accuracy"]
            for each in (first, second)
        )
        found = paired_difference(one, other)
        covered += found["low"] <= 0 <= found["high"]
        rejected += mcnemar(first == labels, second == labels)["p"] < 0.05
    assert covered >= 88
    assert rejected <= 10
    labels, (first, second) = drawn(1000, (0.8, 0.7), 0)
    one, other = (
        bootstrap_scores(labels, [each], 4, draws=500)["macro_f1"] for each in (first, second)
    )
    found = paired_difference(one, other)
    assert 0 < found["low"] < 0.1 < found["high"] < 0.2
    assert found["p"] == pytest.approx(2 / 501)


def test_welch_is_scipys() -> None:
    first, second = [0.71, 0.72, 0.70], [0.69, 0.70]
    found = welch(first, second)
    assert found is not None
    theirs: Any = stats.ttest_ind(first, second, equal_var=False)
    assert found["p"] == pytest.approx(theirs.pvalue)
    assert found["difference"] == pytest.approx(0.015)
    assert (found["low"], found["high"]) == pytest.approx(tuple(theirs.confidence_interval()))
    assert welch([0.7], second) is None
    # NumPy's variance of three times 0.7 is not 0, because the mean is rounded.
    assert np.var([0.7] * 3) > 0
    for count in (2, 3):
        assert welch([0.7] * count, [0.6] * count) is None


@pytest.mark.parametrize("score", [0.7, 0.75])
def test_welch_where_the_seeds_of_one_network_are_equal(score: float) -> None:
    """This is the t test of the other network's mean against that score."""
    varied = [0.6, 0.61, 0.62]
    theirs: Any = stats.ttest_1samp(varied, score)
    for first, second in (([score] * 3, varied), (varied, [score] * 3)):
        found = welch(first, second)
        assert found is not None
        assert found["p"] == pytest.approx(theirs.pvalue)
