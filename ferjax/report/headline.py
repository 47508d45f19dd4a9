"""The headline scores of a network, from its probabilities: accuracy to calibration error.

Each score is a function of the weights of the images, which say how often each image counts. With
all weights 1 it is the score itself. With the counts of a bootstrap resample as weights it is the
score of that resample, as `ferjax.report.headline_intervals` needs it. A few matrix products
compute all scores of all resamples.

References:
  Cohen, "A Coefficient of Agreement for Nominal Scales", 1960.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.report.calibration import checked
from ferjax.report.confidence_bins import BINS, bin_numbers

# Score → its name in reports, in their order.
HEADLINE = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "cohen_kappa": "Cohen's kappa",
    "top2_accuracy": "top-2 accuracy",
    "roc_auc": "ROC AUC, macro",
    "negative_log_likelihood": "negative log-likelihood",
    "brier_score": "Brier score",
    "expected_calibration_error": "calibration error",
}


def headline_scores(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> dict[str, float | None]:
    """Returns every score of `HEADLINE` as a plain Python number, ready for JSON.

    `balanced_accuracy` is the mean recall over the classes with images; `macro_f1` is over the
    classes that occur as true or as predicted class; `top2_accuracy` counts the images whose true
    class is one of the two most probable (of equally probable ones the first); `roc_auc` is the
    mean over classes, each against all others, of the area under the ROC curve. The calibration
    error has 15 bins.

    Args:
      probabilities: float [N, K], rows sum to 1; N is 1 or more.
      labels: int [N], the true classes, 0 to K - 1.
      classes: K names.

    Returns:
      Name → score. A score that is not defined is None: the AUC where one class has all images, and
      kappa where all labels and all predictions are the same class.

    Raises:
      ValueError: shapes that do not fit, labels out of range, or no images.
    """
    images = prepared(probabilities, labels, classes)
    scores = weighted_scores(images, np.ones((len(images.labels), 1)))
    return {name: _number(scores[name][0]) for name in HEADLINE}


def confusion_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Returns accuracy, balanced accuracy, macro-F1 and kappa of B matrices [K, K, B], as [B].

    Rows are true classes. A score that is not defined is NaN.
    """
    hits = np.einsum("kkb->kb", confusion)
    support, predicted = confusion.sum(1), confusion.sum(0)
    total, occurs = support.sum(0), support + predicted > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(support > 0, hits / support, 0)
        f1 = np.where(occurs, 2 * hits / (support + predicted), 0)
        accuracy = hits.sum(0) / total
        by_chance = (support * predicted).sum(0) / total**2
        return {
            "accuracy": accuracy,
            "balanced_accuracy": recall.sum(0) / (support > 0).sum(0),
            "macro_f1": f1.sum(0) / occurs.sum(0),
            "cohen_kappa": (accuracy - by_chance) / np.where(by_chance < 1, 1 - by_chance, np.nan),
        }


@dataclass(frozen=True)
class Ranking:
    """The images in the order of their scores, which are the probabilities of one class.

    Attributes:
      positive: int [P], positions of the images of the class.
      negative: int [N - P], positions of all other images, the lowest score first.
      below: int [P], how many negatives have a lower score than each positive.
      not_above: int [P], how many negatives have a lower or the same score.
    """

    positive: np.ndarray
    negative: np.ndarray
    below: np.ndarray
    not_above: np.ndarray


@dataclass(frozen=True)
class Images:
    """The values of each image from which the scores are computed.

    Attributes:
      probabilities: float64 [N, K].
      labels: int [N].
      by_cell: int [N], the images in the order of true class * K + predicted class.
      cell_starts: int [K * K], how many images come before each cell in `by_cell`.
      rankings: the ranking by the probabilities of each class.
      in_bin: bool [BINS, N], the bin of the calibration error that holds each image.
      sums: float64 [3 + BINS, N], whose weighted sums are top-2 hits, negative log-likelihood,
        Brier score, and confidence minus accuracy in each bin.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    by_cell: np.ndarray
    cell_starts: np.ndarray
    rankings: tuple[Ranking, ...]
    in_bin: np.ndarray
    sums: np.ndarray


def prepared(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Images:
    """Returns the values that the scores need; arguments and errors as `headline_scores`."""
    probabilities, labels = checked(probabilities, labels)
    count, k = probabilities.shape
    if k != len(classes):
        raise ValueError(f"{k} probabilities for {len(classes)} classes")
    rows, predicted = np.arange(count), probabilities.argmax(1)
    true_probability = probabilities[rows, labels][:, None]
    is_earlier_class = np.arange(k) < labels[:, None]
    rank = (probabilities > true_probability).sum(1) + (
        (probabilities == true_probability) & is_earlier_class
    ).sum(1)
    confidence = probabilities.max(1)
    in_bin = np.arange(BINS)[:, None] == bin_numbers(confidence)
    gaps = in_bin * (confidence - (predicted == labels))
    negative_log = -np.log(np.maximum(true_probability[:, 0], np.finfo(np.float64).tiny))
    brier = ((probabilities - np.eye(k)[labels]) ** 2).sum(1)
    sums = np.stack([rank < 2, negative_log, brier, *gaps])
    cells = labels * k + predicted
    by_cell = np.argsort(cells, kind="stable")
    starts = np.searchsorted(cells[by_cell], np.arange(k * k))
    rankings = tuple(ranked(probabilities[:, j], labels == j) for j in range(k))
    return Images(probabilities, labels, by_cell, starts, rankings, in_bin, sums)


def weighted_scores(images: Images, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Returns every score [B] for images with the weights [N, B]."""
    k = images.probabilities.shape[1]
    confusion = _sums_by_cell(images, weights).astype(np.float64).reshape(k, k, -1)
    sums = (images.sums.astype(weights.dtype, copy=False) @ weights) / len(images.labels)
    areas = np.stack([weighted_area(ranking, weights) for ranking in images.rankings])
    is_defined = np.isfinite(areas)
    with np.errstate(invalid="ignore"):
        area = np.where(is_defined, areas, 0).sum(0) / is_defined.sum(0)
    return {
        **confusion_scores(confusion),
        "top2_accuracy": sums[0],
        "roc_auc": area,
        "negative_log_likelihood": sums[1],
        "brier_score": sums[2],
        "expected_calibration_error": np.abs(sums[3:]).sum(0),
    }


def _sums_by_cell(images: Images, weights: np.ndarray) -> np.ndarray:
    """Returns the sum of the weights of the images in each cell of the confusion matrix [K², B]."""
    sums = np.zeros((len(images.cell_starts), weights.shape[1]), weights.dtype)
    ends = np.append(images.cell_starts[1:], len(images.by_cell))
    # For an empty cell `reduceat` would return the row at its start, not 0.
    filled = ends > images.cell_starts
    sums[filled] = np.add.reduceat(weights[images.by_cell], images.cell_starts[filled], axis=0)
    return sums


def weighted_auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the area under the ROC curve for each column of weights, float64 [B].

    It is the share of the pairs of a positive and a negative image in which the positive one has
    the higher score; a tie counts as a half (Mann and Whitney's U).

    Args:
      scores: float [N].
      positive: bool [N].
      weights: float [N, B], how often each image counts.

    Returns:
      The area; NaN where no positive or no negative image counts.
    """
    return weighted_area(ranked(scores, positive), weights)


def ranked(scores: np.ndarray, positive: np.ndarray) -> Ranking:
    """Returns the ranking of images with `scores` float [N] and `positive` bool [N]."""
    negative = np.flatnonzero(~positive)
    negative = negative[np.argsort(scores[negative], kind="stable")]
    below = np.searchsorted(scores[negative], scores[positive], "left")
    not_above = np.searchsorted(scores[negative], scores[positive], "right")
    return Ranking(np.flatnonzero(positive), negative, below, not_above)


def weighted_area(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """Returns `weighted_auc` of images that `ranked` has put in order."""
    if not len(ranking.negative) or not len(ranking.positive):
        return np.full(weights.shape[1], np.nan)
    below = np.zeros((len(ranking.negative) + 1, weights.shape[1]), weights.dtype)
    np.cumsum(weights[ranking.negative], axis=0, out=below[1:])
    positive_weights, twice_won = weights[ranking.positive], below[ranking.below]
    twice_won += below[ranking.not_above]
    won = np.einsum("pb,pb->b", positive_weights, twice_won, dtype=np.float64) / 2
    pairs = positive_weights.sum(0, dtype=np.float64) * below[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, won / pairs, np.nan)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
