"""95 % intervals of the headline scores: Wilson's for shares, the bootstrap for the others.

The calibration error is biased: even a perfectly calibrated network has an error above 0, because
the accuracy of a bin is estimated from few images, and each resample adds the same bias once more.
A plain bootstrap interval would nearly always miss the error of the population. Therefore the lower
bound is that of the reflected interval (twice the score minus the upper percentile). It is 0 where
a calibrated network would have such an error by chance in more than 5 % of the cases (consistency
resampling).

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
# The most counts of images in memory at a time; each count takes 4 bytes.
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

    Accuracy and top-2 accuracy are shares, so they have Wilson's interval. The other intervals are
    percentiles of the bootstrap; all scores use the same resamples. The interval of the calibration
    error begins lower, as the docstring of the module explains. Every interval contains its score;
    that of a share does so up to rounding.

    Args:
      probabilities: float [N, K], rows sum to 1; N is 1 or more.
      labels: int [N], the true classes, 0 to K - 1.
      classes: K names.
      level: level of confidence, in (0, 1).
      draws: number of resamples.
      seed: seed of the resamples; the same seed gives the same intervals.

    Returns:
      Name → lower and upper bound; None where the score is None.

    Raises:
      ValueError: as `headline_scores`, or `level` not in (0, 1).
    """
    check_level(level)
    images = prepared(probabilities, labels, classes)
    count = len(images.labels)
    scores = {
        name: float(value[0])
        for name, value in weighted_scores(images, np.ones((count, 1))).items()
    }
    # With a million images a chunk has few resamples, so values without weights are computed once.
    in_float32 = replace(images, sums=images.sums.astype(np.float32))
    resampled = [weighted_scores(in_float32, weights) for weights in resamples(count, draws, seed)]
    quantiles = [(1 - level) / 2, (1 + level) / 2]
    intervals: dict[str, tuple[float, float] | None] = {}
    for name in HEADLINE:
        values = np.concatenate([chunk[name] for chunk in resampled])
        values = values[np.isfinite(values)]
        if not np.isfinite(scores[name]):
            intervals[name] = None
        elif name in ("accuracy", "top2_accuracy"):
            intervals[name] = wilson_interval(round(scores[name] * count), count, level)
        else:
            low, high = (
                map(float, np.quantile(values, quantiles)) if len(values) else (scores[name],) * 2
            )
            if name == "expected_calibration_error":
                by_chance = np.quantile(_errors_if_calibrated(images, draws, seed), level)
                low = 0.0 if scores[name] <= by_chance else max(2 * scores[name] - high, 0.0)
            intervals[name] = min(low, scores[name]), max(high, scores[name])
    return intervals


def resamples(count: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each image was drawn, float32 [N, B]; all B together are `draws`.

    Each column counts N draws with replacement from N images.
    """
    random = np.random.default_rng(seed)
    for size in chunks(count, draws):
        drawn = random.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield np.ascontiguousarray(counts.T, np.float32)


def _errors_if_calibrated(images: Images, draws: int, seed: int) -> np.ndarray:
    """Returns the calibration errors [draws] if every image were right as often as its confidence.

    Images and confidences stay the same; whether each image is right is drawn at random.
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
    """Yields chunk sizes that sum to `draws`; a chunk has at most `_COUNTS` counts, or one draw."""
    step = max(_COUNTS // count, 1)
    for first in range(0, draws, step):
        yield min(step, draws - first)
