"""Results of the suite `speedrun`: one run, all runs of a side, means with their intervals."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scipy.stats import t

# The sides, in the order in which they run; the second and third are PyTorch's.
OURS, PLAIN, BEST = "ferjax", "PyTorch plain", "PyTorch best"

# Parts of the time of a run. `steps` is all that is in no other part.
PARTS: tuple[str, ...] = ("preparation", "compile", "steps", "evaluation")


def zero_seconds() -> dict[str, float]:
    """Returns zero seconds of each part."""
    return dict.fromkeys(PARTS, 0.0)


@dataclass(frozen=True)
class RunResult:
    """One training and its score.

    Attributes:
      side: name of the side.
      recipe: name of its recipe.
      seed: the seed.
      accuracy: share of the test faces that are named correctly.
      seconds: part of `PARTS` → wall time; together the time of the run.
      parameters: number of parameters, with those that are not trained.
      train_faces: number of training faces.
      test_faces: number of test faces.
      last_loss: mean training loss of the last epoch, or None if it was not finite.
      note: what did not work as the recipe says, or empty.
    """

    side: str
    recipe: str
    seed: int
    accuracy: float
    seconds: Mapping[str, float]
    parameters: int
    train_faces: int
    test_faces: int
    last_loss: float | None
    note: str = ""

    @property
    def total(self) -> float:
        """Returns the wall time of the run in seconds."""
        return sum(self.seconds.values())

    def to_json(self) -> dict[str, Any]:
        """Returns the result as JSON values."""
        return {**dataclasses.asdict(self), "total seconds": self.total}


def run_from_json(values: Mapping[str, Any]) -> RunResult:
    """Returns the result from the values of `RunResult.to_json`."""
    return RunResult(**{field.name: values[field.name] for field in dataclasses.fields(RunResult)})


class Estimate(NamedTuple):
    """A mean over seeds with its 95 % interval; the bounds are None for a single seed."""

    mean: float
    low: float | None
    high: float | None


def estimate(values: Sequence[float], level: float = 0.95) -> Estimate:
    """Returns the mean of values and Student's interval of the mean.

    Args:
      values: one value for each seed, at least one.
      level: level of confidence.
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, None, None)
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = float(t.ppf((1 + level) / 2, len(values) - 1)) * error
    return Estimate(mean, mean - half, mean + half)


@dataclass(frozen=True)
class SideSummary:
    """All runs of a side.

    Attributes:
      side: name of the side.
      recipe: name of its recipe.
      runs: number of runs.
      accuracy: mean accuracy.
      seconds: mean time of a run.
      parts: part of the time → its mean.
    """

    side: str
    recipe: str
    runs: int
    accuracy: Estimate
    seconds: Estimate
    parts: Mapping[str, float]

    def reaches(self, target: float) -> bool:
        """Returns whether the mean accuracy is at least the target."""
        return self.accuracy.mean >= target


@dataclass(frozen=True)
class SpeedrunResult:
    """The results of the suite so far.

    Attributes:
      target: the accuracy to reach.
      quick: whether few faces and one seed were taken, so that no target is claimed.
      recipes: side → its settings, as JSON values.
      runs: in the order in which they ran.
      notes: sides that are left out, and why.
    """

    target: float
    quick: bool
    recipes: Mapping[str, Mapping[str, Any]]
    runs: tuple[RunResult, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the results as JSON values."""
        return {
            "target": self.target,
            "quick": self.quick,
            "recipes": self.recipes,
            "sides": [
                {
                    "side": summary.side,
                    "recipe": summary.recipe,
                    "runs": summary.runs,
                    "accuracy": summary.accuracy._asdict(),
                    "seconds": summary.seconds._asdict(),
                    "mean seconds of each part": summary.parts,
                    "reaches the target": None if self.quick else summary.reaches(self.target),
                }
                for summary in self.summaries()
            ],
            "runs": [run.to_json() for run in self.runs],
            "notes": self.notes,
        }

    def summaries(self) -> list[SideSummary]:
        """Returns a summary for each side that has run, in the order of the sides."""
        names = dict.fromkeys(run.side for run in self.runs)
        return [summarize([run for run in self.runs if run.side == name]) for name in names]


def summarize(runs: Sequence[RunResult]) -> SideSummary:
    """Returns the summary of the runs of one side."""
    return SideSummary(
        runs[0].side,
        runs[0].recipe,
        len(runs),
        estimate([run.accuracy for run in runs]),
        estimate([run.total for run in runs]),
        {part: statistics.fmean(run.seconds[part] for run in runs) for part in PARTS},
    )
