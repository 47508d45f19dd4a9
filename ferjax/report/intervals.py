"""Confidence intervals: Wilson's for a share such as accuracy or recall, and the bootstrap's."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np


def wilson_interval(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Returns Wilson's score interval of a share, without continuity correction.

    It is valid for shares near 0 and 1 and for few images, where plus or minus a multiple of the
    standard error is not.

    Args:
      hits: how many of the images, such as those predicted right; 0 to `count`.
      count: number of images; with 0 the interval is (0, 1).
      level: level of confidence, in (0, 1).

    Returns:
      The lower and the upper bound, in [0, 1].

    Raises:
      ValueError: `hits` is not in 0 to `count`, or `level` not in (0, 1).

    References:
      Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the
      American Statistical Association, 1927.
    """
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} of {count} is no share")
    check_level(level)
    if not count:
        return 0.0, 1.0
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    share = hits / count
    centre = share + z2 / (2 * count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2)))
    # A share of 0 or 1 is a bound of its own interval, which rounding must not miss.
    low = 0.0 if hits == 0 else (centre - half) / (1 + z2 / count)
    high = 1.0 if hits == count else (centre + half) / (1 + z2 / count)
    return low, high


def bootstrap_interval(
    rows: np.ndarray,
    statistic: Callable[[np.ndarray], float],
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of a statistic of N rows.

    For a statistic of several arrays pass their row numbers, `rows = np.arange(N)`.

    Args:
      rows: [N, ...], one row for each image; N is 1 or more.
      statistic: function of N rows, drawn with replacement → a number.
      level: level of confidence, in (0, 1).
      draws: number of resamples.
      seed: seed of the resamples; the same seed gives the same interval.

    Returns:
      The lower and the upper bound.

    Raises:
      ValueError: no rows, or `level` not in (0, 1).
    """
    rows = np.asarray(rows)
    if not len(rows):
        raise ValueError("a bootstrap needs at least one row")
    check_level(level)
    random = np.random.default_rng(seed)
    values = [statistic(rows[random.integers(0, len(rows), len(rows))]) for _ in range(draws)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def check_level(level: float) -> None:
    """Raises `ValueError` if a level of confidence is not in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"a level of confidence is between 0 and 1, not {level}")
