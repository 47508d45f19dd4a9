"""The gallery's data on one run, or on a series or search as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Pairs of epoch and accuracy, in the order of the epochs.
Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class SplitScores:
    """Scores on one split; None where the report has no such score.

    Attributes:
      selected: accuracy of the selected epoch, in [0, 1]; for a series the mean.
      last: accuracy of the last epoch.
      interval: 95 % interval of `selected`.
      deviation: sample standard deviation of `selected`, for a series.
      macro_f1: macro-F1 of the selected epoch.
      calibration_error: calibration error of the selected epoch.
    """

    selected: float
    last: float | None = None
    interval: tuple[float, float] | None = None
    deviation: float | None = None
    macro_f1: float | None = None
    calibration_error: float | None = None


@dataclass(frozen=True)
class Entry:
    """A row of the gallery.

    Attributes:
      folder: the run directory.
      kind: as in `RunFolder`.
      reason: why there are no numbers, or an empty text.
      page: the page of the report, or None.
      network, dataset, recipe, seed, epochs, commit, date: facts of the run, as texts.
      scores: `val` and, where the run has it, `test`.
      digests: split → fingerprint of its images and labels; for a series that of all its runs.
      images: split → number of images; for folds that of val and test of all folds.
      classes: the class list.
      protocol: the protocol block of the report.
      stamps: short texts on what makes the numbers differ from those of other runs.
      warnings: warnings of the report.
      minutes: duration of training.
      parameters: number of parameters of the network.
      train_lines, val_lines: accuracies over the epochs, one line for each run.
      confusion: images by true and predicted class, of test or else val, or None.
      children: the runs of a series or search.
    """

    folder: Path
    kind: str = "run"
    reason: str = ""
    page: Path | None = None
    network: str = ""
    dataset: str = ""
    recipe: str = ""
    seed: str = ""
    epochs: str = ""
    commit: str = ""
    date: str = ""
    scores: Mapping[str, SplitScores] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    stamps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    minutes: float | None = None
    parameters: int | None = None
    train_lines: tuple[Line, ...] = ()
    val_lines: tuple[Line, ...] = ()
    confusion: Sequence[Sequence[int]] | None = None
    children: tuple["Entry", ...] = ()
