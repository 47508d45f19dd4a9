"""What the gallery knows of one run, or of a series or search as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Epochs and accuracies, in order.
Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class SplitScores:
    """Numbers on one split; None where the report has none.

    Attributes:
      selected: accuracy of the selected epoch, in [0, 1]; of a series the mean.
      last: that of the last epoch.
      interval: 95 % interval of `selected`.
      deviation: of a series: sample standard deviation of `selected`.
      macro_f1: of the selected epoch.
      calibration_error: of the selected epoch.
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
      kind: as of `RunFolder`.
      reason: why there are no numbers, or an empty text.
      page: the report, or None where there is none.
      network, dataset, recipe, seed, epochs, commit, date: in words.
      scores: `val` and, where the run has it, `test`.
      digests: split → fingerprint of its images and labels, or of a series those of all runs.
      images: split → number of images.
      classes: the class list.
      protocol: of the report.
      stamps: what makes the numbers different from those of others, in few words each.
      warnings: of the report.
      minutes: of training.
      parameters: of the network.
      train_lines, val_lines: accuracies over the epochs, one line for each run.
      confusion: images by true and predicted class, of test or else val, or None.
      children: of a series or search.
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
