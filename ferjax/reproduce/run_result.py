"""`RunResult`: all that is judged of one finished run: its predictions, its curves, its facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Images, and share of images, that may be decided otherwise when they are evaluated again.
_FEW, _FEW_SHARE = 2, 0.01


@dataclass(frozen=True)
class Predictions:
    """What a network said about the images of a split.

    Attributes:
      probabilities: float16 [N, K], from `half_precision`.
      labels: uint8 [N], true classes.
    """

    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """Returns int [N], the most probable class; of equals the first."""
        return self.probabilities.argmax(-1)


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
      experiment: name of its `Experiment`.
      seed: of the run, counted from 0; 0 for a baseline that draws nothing.
      classes: K names.
      predictions: (split, epoch) → predictions; the epoch is its number.
      epochs: `selected`, `last` and, of a run with phases, `phase_1` → number of the epoch.
      curves: objects with `split`, `epoch`, `loss`, `accuracy` and, for val, `recall` {emotion:
        rate or None}. Empty for a classical baseline.
      splits: split → `images`, `classes` {name: images}, `source` and `digest` of its images.
      draws: whether another seed gives another result.
      facts: JSON values for the report: `seconds`, `protocol`, `config` and others.
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
    """Returns in what predictions do not fit the classes and splits of their run, or None.

    Every number is computed from the predictions, and its interval from their number; the splits
    are what the run recorded of its images.
    """
    k = len(result.classes)
    for (split, epoch), found in result.predictions.items():
        where = f"{result.experiment}, seed {result.seed}, {split}, epoch {epoch}"
        if split not in result.splits:
            return f"{where}: predictions of a split that the run has not"
        if found.probabilities.shape != (len(found.labels), k):
            return f"{where}: probabilities of another number of classes than the run's {k}"
        recorded = result.splits[split]
        counts = np.bincount(found.labels, minlength=k).tolist()
        if len(found.labels) != recorded["images"]:
            return f"{where}: {len(found.labels):,} predictions for {recorded['images']:,} images"
        if dict(zip(result.classes, counts, strict=False)) != dict(recorded["classes"]):
            return f"{where}: other labels than those of the recorded images"
    return None


def other_than_curves(result: RunResult) -> list[str]:
    """Returns where predictions and curves of a run say different things, in words.

    An epoch that has both was evaluated twice, on the same images: while the run trained, and
    afterwards. Of train the curve is a running average, which is another number.
    """
    texts = []
    for (split, epoch), found in result.predictions.items():
        accuracy = float((found.predicted == found.labels).mean())
        # Another device, or another batch size, may decide a few images otherwise.
        allowed = max(_FEW / len(found.labels), _FEW_SHARE)
        texts += [
            f"{result.experiment}, seed {result.seed}, {split}, epoch {epoch}: the curve has"
            f" {100 * line['accuracy']:.1f} %, the predictions {100 * accuracy:.1f} %"
            for line in result.curves
            if (line["split"], line["epoch"]) == (split, epoch)
            if split != "train" and abs(line["accuracy"] - accuracy) > allowed
        ]
    return texts


def half_precision(probabilities: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Returns probabilities float [N, K] as float16, the most probable class of each row on top.

    Where rounding makes another class equal, that one is set to the next smaller number.

    Args:
      probabilities: of N images.
      predicted: int [N], the most probable class of each.
    """
    halves = probabilities.astype(np.float16)
    best = np.asarray(predicted)[:, None]
    highest = np.take_along_axis(halves, best, 1)
    smaller = np.nextafter(highest, np.float16(0))
    others = np.arange(halves.shape[1]) != best
    return np.where(others & (halves >= highest), smaller, halves)
