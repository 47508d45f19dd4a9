"""`METRICS`: every number that a claim can be about, as a function of predictions or of curves.

Metrics of predictions are functions of confusion matrices [..., K, K]: rows are true classes,
columns predicted ones. They take any number of matrices at once, so that the bootstrap needs no
loop. The rules for classes without images are those of `ferjax.report.scores`; a test compares the
two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

Confusions = np.ndarray
Curves = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Metric:
    """A number of a run.

    Attributes:
      words: its name in the report.
      of_confusion: (confusion matrices [..., K, K], index of the class) → values [...].
      of_curve: (evaluation lines of one split in order of epochs, epoch) → value.
      of_class: whether it is a metric of one emotion.
      share_of: the images of which it is a share, for Wilson's interval: `all`, or `true` (images
        of the class); None: it is no share of images.
      is_rate: whether it is in [0, 1] and shown in per cent.
      lower_is_better: whether a smaller value is the better one.
    """

    words: str
    of_confusion: Callable[[Confusions, int], np.ndarray] | None = None
    of_curve: Callable[[Curves, int], float] | None = None
    of_class: bool = False
    share_of: str | None = None
    is_rate: bool = True
    lower_is_better: bool = False


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)


def _hits(m: Confusions) -> np.ndarray:
    return np.diagonal(m, axis1=-2, axis2=-1)


def _recalls(m: Confusions) -> np.ndarray:
    return _ratio(_hits(m), m.sum(-1))


def _precisions(m: Confusions) -> np.ndarray:
    return _ratio(_hits(m), m.sum(-2))


def _f1s(m: Confusions) -> np.ndarray:
    return _ratio(2 * _hits(m), m.sum(-1) + m.sum(-2))


def _macro(rates: Callable[[Confusions], np.ndarray]) -> Callable[[Confusions, int], np.ndarray]:
    """Returns a function: mean over the classes that occur as true or as predicted class."""

    def mean(m: Confusions, _: int) -> np.ndarray:
        occurs = m.sum(-1) + m.sum(-2) > 0
        return _ratio((rates(m) * occurs).sum(-1), occurs.sum(-1))

    return mean


def _weighted(rates: Callable[[Confusions], np.ndarray]) -> Callable[[Confusions, int], np.ndarray]:
    """Returns a function: mean over the classes, weighted by their numbers of images."""
    return lambda m, _: _ratio((rates(m) * m.sum(-1)).sum(-1), m.sum((-2, -1)))


def _value_at_epoch(key: str) -> Callable[[Curves, int], float]:
    """Returns a function that reads the value of a key at an epoch."""

    def value(lines: Curves, epoch: int) -> float:
        return next(float(line[key]) for line in lines if line["epoch"] == epoch)

    return value


def _stable_accuracy(lines: Curves, _: int) -> float:
    """Returns the median accuracy of the last quarter of the epochs, at least of the last."""
    return median(float(line["accuracy"]) for line in lines[-max(1, len(lines) // 4) :])


def _best_accuracy(lines: Curves, _: int) -> float:
    return max(float(line["accuracy"]) for line in lines)


METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        "accuracy",
        lambda m, _: _ratio(_hits(m).sum(-1), m.sum((-2, -1))),
        share_of="all",
    ),
    "macro_precision": Metric("macro precision", _macro(_precisions)),
    "macro_recall": Metric("macro recall", _macro(_recalls)),
    "macro_f1": Metric("macro F1", _macro(_f1s)),
    "weighted_precision": Metric("weighted precision", _weighted(_precisions)),
    "weighted_f1": Metric("weighted F1", _weighted(_f1s)),
    "recall": Metric("recall", lambda m, k: _recalls(m)[..., k], of_class=True, share_of="true"),
    "predicted_share": Metric(
        "share of images that are called so",
        lambda m, k: _ratio(m.sum(-2)[..., k], m.sum((-2, -1))),
        of_class=True,
        share_of="all",
    ),
    # Read off metrics.jsonl. On train they are running averages over augmented batches.
    "curve_accuracy": Metric("accuracy", of_curve=_value_at_epoch("accuracy"), share_of="all"),
    "curve_loss": Metric(
        "loss", of_curve=_value_at_epoch("loss"), is_rate=False, lower_is_better=True
    ),
    "curve_best_accuracy": Metric("best accuracy", of_curve=_best_accuracy, share_of="all"),
    "curve_stable_accuracy": Metric(
        "median accuracy of the last quarter of the epochs",
        of_curve=_stable_accuracy,
        share_of="all",
    ),
}


def confusion_of(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Returns int [K, K] counts: rows are true classes, columns predicted ones."""
    cells = labels.astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)
