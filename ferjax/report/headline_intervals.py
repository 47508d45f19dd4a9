"""95 % intervals of the headline scores: Wilson's for shares, the bootstrap for the others.

The calibration error is biased: even a perfectly calibrated network has one above 0, because the
accuracy of a bin is that of few images, and a resample adds the same once more. Its plain bootstrap
interval would miss the population's error nearly always. So the interval begins where the reflected
one does (twice the score less the upper percentile), and at 0 where a calibrated network would have
such an error by chance in more than 5 % of the cases (consistency resampling).

References:
  Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 14.
  Brocker and Smith, "Increasing the Reliability of Reliability Diagrams", 2007.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ferjax.report.headline import HEADLINE, Images, prepared, weighted_scores
from ferjax.report.intervals import check_level, wilson_interval

DRAWS = 1000
# Counts of images in memory at a time: 4 bytes each.
_COUNTS = 4_000_000


def headline_intervals(
    probabilities: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, tuple[float, float] | None]:
    """Returns the interval of every score of `headline_scores`, over the choice of the images.

    Accuracy and top-2 accuracy are shares, so theirs is Wilson's; the others are percentiles of the
    bootstrap, whose resamples all scores have in common; the calibration error's begins lower, as
    the module says. Every interval holds its score, except that of a share by rounding.

    Args:
      probabilities: float [N, K], rows sum to 1; N is 1 or more.
      labels: int [N], the true classes, 0 to K - 1.
      classes: K names.
      level: of confidence, in (0, 1).
      draws: number of resamples.
      seed: of the resamples; the same seed gives the same intervals.

    Returns:
      Name → lower and upper bound; None where the score is None.

    Raises:
      ValueError: as `headline_scores`, or `level` not in (0, 1).
    """
    check_level(level)
    images = prepared(probabilities, labels, classes)
    count = len(images.labels)
    own = {name: float(v[0]) for name, v in weighted_scores(images, np.ones((count, 1))).items()}
    # A million images are drawn a few times at once: what needs no weights is computed once.
    single = replace(images, sums=images.sums.astype(np.float32))
    parts = [weighted_scores(single, weights) for weights in resamples(count, draws, seed)]
    ends = [(1 - level) / 2, (1 + level) / 2]
    found: dict[str, tuple[float, float] | None] = {}
    for name in HEADLINE:
        values = np.concatenate([part[name] for part in parts])
        values = values[np.isfinite(values)]
        if not np.isfinite(own[name]):
            found[name] = None
        elif name in ("accuracy", "top2_accuracy"):
            found[name] = wilson_interval(round(own[name] * count), count, level)
        else:
            low, high = map(float, np.quantile(values, ends)) if len(values) else (own[name],) * 2
            if name == "expected_calibration_error":
                by_chance = np.quantile(_errors_if_calibrated(images, draws, seed), level)
                low = 0.0 if own[name] <= by_chance else max(2 * own[name] - high, 0.0)
            found[name] = min(low, own[name]), max(high, own[name])
    return found


def resamples(count: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each image was drawn, float32 [N, B], until B sums to `draws`.

    Each column holds N draws with replacement from N images.
    """
    random = np.random.default_rng(seed)
    for size in chunks(count, draws):
        drawn = random.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield np.ascontiguousarray(counts.T, np.float32)


def _errors_if_calibrated(images: Images, draws: int, seed: int) -> np.ndarray:
    """Returns the calibration errors [draws] if every image were right as often as its confidence.

    Images and confidences stay; whether an image is right is drawn.
    """
    random = np.random.default_rng(seed)
    count, confidence = len(images.labels), images.probabilities.max(1).astype(np.float32)
    bins = images.in_bin.astype(np.float32)
    errors = []
    for size in chunks(count, draws):
        right = random.random((count, size), np.float32) < confidence[:, None]
        errors.append(np.abs(bins @ (confidence[:, None] - right)).sum(0) / count)
    return np.concatenate(errors)


def chunks(count: int, draws: int) -> Iterator[int]:
    """Yields numbers of draws that sum to all of them, each of at most `_COUNTS` images in all."""
    step = max(_COUNTS // count, 1)
    for first in range(0, draws, step):
        yield min(step, draws - first)
