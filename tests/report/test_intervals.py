"""Intervals against SciPy, known shares, and the means of many samples."""

import numpy as np
import pytest

from ferjax.report.intervals import bootstrap_interval, wilson_interval


@pytest.mark.parametrize(
    ("hits", "count"), [(0, 1), (1, 1), (0, 40), (40, 40), (3, 10), (2267, 3589), (62, 62), (7, 13)]
)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_wilson_interval_is_scipys(hits: int, count: int, level: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.binomtest(hits, count).proportion_ci(level, method="wilson")
    low, high = wilson_interval(hits, count, level)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= low < high <= 1


def test_wilson_interval_by_hand() -> None:
    # 1.96 standard deviations around 81 / 263, Wilson's own formula on paper.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 0) == (0, 1)
    assert wilson_interval(0, 5)[0] == 0
    assert wilson_interval(5, 5)[1] == 1


@pytest.mark.parametrize(("hits", "count", "level"), [(3, 2, 0.9), (-1, 2, 0.9), (1, 2, 1.0)])
def test_wilson_interval_refuses(hits: int, count: int, level: float) -> None:
    with pytest.raises(ValueError, match=r"no share|level"):
        wilson_interval(hits, count, level)


def test_bootstrap_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)
    low, high = bootstrap_interval(values, np.mean, draws=4000)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert bootstrap_interval(values, np.mean, draws=4000) == (low, high)
    assert bootstrap_interval(values, np.mean, draws=4000, seed=1) != (low, high)
    narrow = bootstrap_interval(values, np.mean, draws=4000, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_bootstrap_interval_of_rows() -> None:
    pairs = np.stack([np.arange(50), np.arange(50)], axis=1)
    together = bootstrap_interval(pairs, lambda rows: float(np.ptp(rows, axis=1).max()), draws=20)
    assert together == (0, 0)
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap_interval(np.zeros((0, 2)), np.mean)
