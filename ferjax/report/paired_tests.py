"""Tests of two networks on the same images: McNemar, paired bootstrap, Holm, Welch over seeds.

References:
  McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions", 1947.
  Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16.
  Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
  Welch, "The Generalization of Student's Problem when Several Different Population Variances are
  Involved", 1947.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binom, ttest_ind

from ferjax.report.headline import confusion_scores
from ferjax.report.headline_intervals import chunks
from ferjax.report.intervals import check_level

DRAWS = 10_000


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> dict[str, Any]:
    """Returns McNemar's exact test that two networks are right equally often.

    Only images that exactly one of the networks has right distinguish them. If the networks are
    equally good, the number of these images that one network has right is binomial with 1/2.

    Args:
      first_right: bool [N], whether the first network is right.
      second_right: bool [N], the same images.

    Returns:
      `only_first` and `only_second`, the images that only this network has right, and `p`,
      two-sided; `p` is 1 where both are right on the same images.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    discordant = only_first + only_second
    p = 2 * float(binom.cdf(min(only_first, only_second), discordant, 0.5)) if discordant else 1.0
    return {"only_first": only_first, "only_second": only_second, "p": min(p, 1.0)}


def bootstrap_scores(
    labels: np.ndarray,
    predicted: Sequence[np.ndarray],
    classes: int,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Returns accuracy and macro-F1 of one network, or the mean over its seeds, in each resample.

    With the same labels, draws and seed all networks have the same resamples, so that their
    differences are paired.

    Args:
      labels: int [N], the true classes.
      predicted: for each seed int [N], the predicted classes.
      classes: number of classes.
      draws: number of resamples.
      seed: seed of the resamples.

    Returns:
      `accuracy` and `macro_f1`, float64 [draws].
    """
    cells = [labels * classes + each for each in predicted]
    size = classes * classes
    random = np.random.default_rng(seed)
    resampled: dict[str, list[np.ndarray]] = {"accuracy": [], "macro_f1": []}
    for count in chunks(len(labels), draws):
        rows = random.integers(0, len(labels), (count, len(labels)))
        parts = []
        for seed_cells in cells:
            positions = seed_cells[rows] + size * np.arange(count)[:, None]
            confusion = np.bincount(positions.ravel(), minlength=count * size)
            confusion = confusion.reshape(count, classes, classes).transpose(1, 2, 0)
            parts.append(confusion_scores(confusion))
        for name, values in resampled.items():
            values.append(np.mean([part[name] for part in parts], axis=0))
    return {name: np.concatenate(values) for name, values in resampled.items()}


def paired_difference(
    first: np.ndarray, second: np.ndarray, level: float = 0.95
) -> dict[str, float]:
    """Returns percentile interval and p-value of the difference of two scores in shared resamples.

    Args:
      first: float [draws], a score of the first network, from `bootstrap_scores`.
      second: float [draws], the same score of the second network.
      level: level of confidence, in (0, 1).

    Returns:
      `low` and `high` of first - second, and `p`: twice the share of resamples on the rarer side of
      zero, with one resample added there, so that no p is 0.

    Raises:
      ValueError: `level` is not in (0, 1).
    """
    check_level(level)
    differences = first - second
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    rarer = min((differences <= 0).sum(), (differences >= 0).sum())
    p = min(2 * (int(rarer) + 1) / (len(differences) + 1), 1.0)
    return {"low": float(low), "high": float(high), "p": p}


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns p-values corrected for their number, in their order; None stays None.

    If every hypothesis whose corrected value is below a level is rejected, the probability of any
    false rejection is at most that level.
    """
    tested = [(p, place) for place, p in enumerate(p_values) if p is not None]
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(sorted(tested)):
        highest = max(highest, min((len(tested) - rank) * p, 1.0))
        corrected[place] = highest
    return corrected


def welch(first: Sequence[float], second: Sequence[float]) -> dict[str, float | None] | None:
    """Returns Welch's test of the means over seeds: `difference`, `low`, `high` (95 %) and `p`.

    None where one network has a single seed, or no seed differs from another.
    """
    # The variance of equal scores is not always 0: their mean is rounded.
    if min(len(first), len(second)) < 2 or (np.ptp(first) == 0 and np.ptp(second) == 0):
        return None
    with warnings.catch_warnings():
        # SciPy warns of equal scores. The spread of the other network alone is then used.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        result: Any = ttest_ind(first, second, equal_var=False)
    low, high = result.confidence_interval(0.95)
    return {
        "difference": float(np.mean(first) - np.mean(second)),
        "low": float(low),
        "high": float(high),
        "p": float(result.pvalue),
    }
