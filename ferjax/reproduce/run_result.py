"""`RunResult`: predictions, curves and facts of one finished run, by which claims are judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Number of images, and share of images, whose predicted class may change when they are evaluated
# again.
_MOST_CHANGED, _MOST_CHANGED_SHARE = 2, 0.01


@dataclass(frozen=True)
class Predictions:
    """Probabilities that a network gives to the images of a split, and the true classes.

    Attributes:
      probabilities: float16 [N, K], from `half_precision`.
      labels: uint8 [N], true classes.
    """

    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """Returns int [N], the most probable class; of equally probable classes the first."""
        return self.probabilities.argmax(-1)


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
      experiment: name of its `Experiment`.
      seed: seed of the run, counted from 0; 0 for a baseline without random numbers.
      classes: names of the K classes.
      predictions: (split, number of the epoch) → predictions.
      epochs: `selected`, `last` and, of a run with phases, `phase_1` → number of the epoch.
      curves: objects with `split`, `epoch`, `loss`, `accuracy` and, for val, `recall` {emotion:
        rate or None}. Empty for a classical baseline.
      splits: split → `images`, `classes` {name: images}, `source` and `digest` of its images.
      draws: whether another seed gives another result.
      facts: JSON values for the report: `config`, `protocol`, `environment` and others.
    """

    experiment: str
    seed: int
    classes: tuple[str, ...]
    predictions: Mapping[tuple[str, int], Predictions]
    epochs: Mapping[str, int]
    curves: tuple[Mapping[str, Any], ...]
    splits: Mapping[str, Mapping[str, Any]]
    draws: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)


def misfit(result: RunResult) -> str | None:
    """Returns how predictions contradict the classes and splits of their run, in words, or None.

    Every number of a report is computed from the predictions, and its interval from the number of
    predictions. The splits are the record that the run made of its images.
    """
    k = len(result.classes)
    for (split, epoch), predictions in result.predictions.items():
        place = f"{result.experiment}, seed {result.seed}, {split}, epoch {epoch}"
        if split not in result.splits:
            return f"{place}: predictions of a split that the run has not"
        if predictions.probabilities.shape != (len(predictions.labels), k):
            return f"{place}: probabilities of another number of classes than the run's {k}"
        recorded = result.splits[split]
        counts = np.bincount(predictions.labels, minlength=k).tolist()
        if len(predictions.labels) != recorded["images"]:
            found, expected = len(predictions.labels), recorded["images"]
            return f"{place}: {found:,} predictions for {expected:,} images"
        if dict(zip(result.classes, counts, strict=False)) != dict(recorded["classes"]):
            return f"{place}: other labels than those of the recorded images"
    return None


def other_than_curves(result: RunResult) -> list[str]:
    """Returns the contradictions between the predictions and the curves of a run, in words.

    An epoch that has both was evaluated twice on the same images: during training, and afterwards.
    The train split is left out: its curve is a running average, which is another number.
    """
    return [
        text
        for (split, epoch), predictions in result.predictions.items()
        for text in accuracy_other_than_curve(
            result, split, epoch, predictions.predicted == predictions.labels
        )
    ]


def accuracy_other_than_curve(
    result: RunResult, split: str, epoch: int, correct: np.ndarray
) -> list[str]:
    """Returns how the accuracy of predictions contradicts the curve of their run, in words.

    Args:
      result: the run.
      split: the split of the predictions.
      epoch: their epoch.
      correct: bool [N], whether each prediction is right.
    """
    accuracy = float(correct.mean())
    # On another device, or with another batch size, the class of a few images may change.
    allowed = max(_MOST_CHANGED / len(correct), _MOST_CHANGED_SHARE)
    return [
        f"{result.experiment}, seed {result.seed}, {split}, epoch {epoch}: the curve has"
        f" {100 * line['accuracy']:.1f} %, the predictions {100 * accuracy:.1f} %"
        for line in result.curves
        if (line["split"], line["epoch"]) == (split, epoch)
        # A curve may hold a value that is not a number, which is no accuracy either.
        if split != "train" and not abs(line["accuracy"] - accuracy) <= allowed
    ]


def epochs_other_than_curves(result: RunResult) -> list[str]:
    """Returns how the epochs of a run contradict its curves, in words.

    `selected` is the first epoch with the highest val accuracy, `last` the last epoch of val and
    train, and `phase_1` the first number of the setting `epochs`. A classical baseline has no
    curves, and its one set of parameters is both the selected and the last one.
    """
    place = f"{result.experiment}, seed {result.seed}"
    by_epoch = {line["epoch"]: line["accuracy"] for line in result.curves if line["split"] == "val"}
    if not result.draws:
        return [f"{place}: a baseline without random numbers has curves"] * bool(result.curves)
    if not by_epoch:
        return [f"{place}: there is no curve of val"]
    expected = {
        "selected": min(by_epoch, key=lambda epoch: (-by_epoch[epoch], epoch)),
        "last": max(line["epoch"] for line in result.curves),
    }
    epochs = result.facts["config"].get("epochs")
    if isinstance(epochs, list) and "phase_1" in result.epochs:
        expected["phase_1"] = epochs[0]
    return [
        f"{place}: the {name} epoch is {result.epochs.get(name)}, by the curves it is {epoch}"
        for name, epoch in expected.items()
        if result.epochs.get(name) != epoch
    ]


def half_precision(probabilities: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Returns float16 [N, K]; the most probable class of each row keeps the largest value.

    Where rounding makes another class equal to it, that class is set to the next smaller number.

    Args:
      probabilities: float [N, K].
      predicted: int [N], the most probable class of each row.
    """
    halves = probabilities.astype(np.float16)
    best = np.asarray(predicted)[:, None]
    highest = np.take_along_axis(halves, best, 1)
    smaller = np.nextafter(highest, np.float16(0))
    is_other_class = np.arange(halves.shape[1]) != best
    return np.where(is_other_class & (halves >= highest), smaller, halves)
