"""Split-conformal prediction sets: sets of classes with the true class in, say, 90 % of images.

The score of an image is 1 - the probability of its true class (LAC). With n images that were not
used in training, the threshold for a coverage c is the ceil((n + 1) c)-th smallest score. The set
of another image holds all classes whose 1 - probability is at most the threshold. If the images are
exchangeable with those n, the true class is in the set with probability c or more, on average over
all images. This is not guaranteed for each class, so the coverage is also measured by class.

References:
  Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels",
  Journal of the American Statistical Association, 2019. https://arxiv.org/abs/1609.00451
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.report.calibration import cross_fitted
from ferjax.report.intervals import wilson_interval

# The table holds the exact score of every coverage that is a multiple of 1 / _STEPS.
_STEPS = 200


def conformal_quantiles(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Returns a small table from which `threshold` reads the threshold of any coverage.

    Args:
      probabilities: float [n, K], of images that were not used in training.
      labels: int [n], the true classes.

    Returns:
      `n`; `ranks`, at most 200 ranks from 1 to n, ascending, the last of them n; `scores`, for each
      rank r the r-th smallest score. The ranks are those of the coverages 0.5 %, 1 %, ... 99.5 %,
      so these coverages are exact. The table is ready for JSON.

    Raises:
      ValueError: no images, or shapes that do not fit.
    """
    labels = np.asarray(labels)
    n = len(labels)
    if not n or np.shape(probabilities)[:-1] != (n,):
        raise ValueError(f"[n, K] and [n] are expected, not {np.shape(probabilities)} and ({n},)")
    scores = np.sort(1 - np.asarray(probabilities, np.float64)[np.arange(n), labels])
    ranks = {-(-(n + 1) * step // _STEPS) for step in range(1, _STEPS)}
    ranks = sorted({rank for rank in ranks if rank <= n} | {n})
    return {"n": n, "ranks": ranks, "scores": [float(scores[rank - 1]) for rank in ranks]}


def threshold(table: Mapping[str, Any], coverage: float) -> float:
    """Returns the threshold of `prediction_sets` for a coverage.

    It is the score of rank ceil((n + 1) coverage) or, where the table lacks it, of the next higher
    rank in the table: then the sets are a little larger than needed, by at most half a percent of
    coverage.

    Args:
      table: from `conformal_quantiles`, also if it was read from JSON.
      coverage: the share of images whose set holds the true class, in (0, 1).

    Raises:
      UserError: `coverage` is not in (0, 1), or n images do not suffice for it.
    """
    n = int(table["n"])
    if not 0 < coverage < 1:
        raise UserError(
            f"sets={coverage}: a coverage lies between 0 and 1; for sets that hold the true emotion"
            " of 90 % of the images give 0.9"
        )
    # 1e-9 allows for rounding: 25 * 0.28 is a little above 7, but the rank is 7.
    rank = max(math.ceil((n + 1) * coverage - 1e-9), 1)
    if rank > n:
        raise UserError(
            f"sets={coverage}: the sets were made of {n:,} images, which allow a coverage of at"
            f" most {math.floor(1e6 * n / (n + 1)) / 1e6:g}; give a smaller one"
        )
    return float(table["scores"][int(np.searchsorted(table["ranks"], rank))])


def prediction_sets(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Returns bool [N, K], the classes in the set of each image.

    The most probable class (of equally probable ones the first) is always in it, so no set is
    empty.

    Args:
      probabilities: float [N, K].
      threshold: upper limit of 1 - probability, from the function `threshold`.
    """
    probabilities = np.asarray(probabilities, np.float64)
    sets = 1 - probabilities <= threshold
    sets[np.arange(len(sets)), probabilities.argmax(-1)] = True
    return sets


def coverage_by_class(
    sets: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> dict[str, float | None]:
    """Returns the share of each class's images whose set holds the class, None without images.

    Args:
      sets: bool [N, K].
      labels: int [N].
      classes: K names.
    """
    covered = _covered(sets, labels)
    return {
        name: float(covered[labels == k].mean()) if (labels == k).any() else None
        for k, name in enumerate(classes)
    }


def mean_set_size(sets: np.ndarray) -> float:
    """Returns the mean number of classes in the sets, bool [N, K]."""
    return float(np.asarray(sets).sum(1).mean())


def cross_fitted_coverage(
    probabilities: np.ndarray, labels: np.ndarray, coverage: float, classes: Sequence[str]
) -> dict[str, Any]:
    """Returns the coverage measured on each half of the images with the other half's threshold.

    If a temperature was fitted on the same images, pass the probabilities at that temperature. It
    is a single number from all images, so its effect on the result is negligible.

    Args:
      probabilities: float [N, K], of images that were not used in training.
      labels: int [N].
      coverage: the requested coverage, in (0, 1).
      classes: K names.

    Returns:
      `asked`, the requested coverage; `coverage` over all images, with its 95 % `interval`
      [low, high]; `by_class` {name: coverage or None}; `mean_set_size`; and `sizes`, the shares of
      images with a set of 1, 2, ... K classes. The result is ready for JSON.

    Raises:
      UserError: as `threshold`, for half of the images.
      ValueError: fewer than two images.
    """
    labels = np.asarray(labels)
    sets = cross_fitted(
        probabilities,
        labels,
        lambda rows, true: threshold(conformal_quantiles(rows, true), coverage),
        prediction_sets,
    )
    return measured_coverage(sets, labels, coverage, classes)


def measured_coverage(
    sets: np.ndarray, labels: np.ndarray, coverage: float, classes: Sequence[str]
) -> dict[str, Any]:
    """Returns how often the sets of the images hold the true class, and the sizes of the sets.

    Args:
      sets: bool [N, K]; N is 1 or more.
      labels: int [N].
      coverage: the requested coverage.
      classes: K names.

    Returns:
      As `cross_fitted_coverage`.
    """
    covered = _covered(sets, labels)
    sizes = np.bincount(sets.sum(1), minlength=len(classes) + 1)[1:] / len(sets)
    return {
        "asked": coverage,
        "coverage": float(covered.mean()),
        "interval": list(wilson_interval(int(covered.sum()), len(covered))),
        "by_class": coverage_by_class(sets, labels, classes),
        "mean_set_size": mean_set_size(sets),
        "sizes": sizes.tolist(),
    }


def _covered(sets: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns bool [N], whether the set of each image holds its true class."""
    return np.asarray(sets)[np.arange(len(labels)), labels]
