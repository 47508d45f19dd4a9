"""Results of the scaling suite: step times, speed-ups, collective traffic, as Python and JSON."""

import dataclasses
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferjax.bench.measuring.interleaved_timing import paired_ratios
from ferjax.bench.scaling.hlo_collectives import Traffic
from ferjax.bench.scaling.scaling_cases import Layout, Scaling, Workload
from ferjax.bench.scaling.step_costs import StepCosts


@dataclass(frozen=True)
class Measured:
    """A training step, measured on every layout in turns.

    Attributes:
      scaling: the training step and its layouts.
      seconds: layout → seconds per step, one number per round.
      traffic: layout → the collectives of its step.
    """

    scaling: Scaling
    seconds: Mapping[Layout, tuple[float, ...]]
    traffic: Mapping[Layout, tuple[Traffic, ...]]

    def median(self, layout: Layout) -> float:
        """Returns the median seconds of a step."""
        return statistics.median(self.seconds[layout])

    def rate(self, layout: Layout) -> float:
        """Returns the median images per second of all devices together."""
        return self.scaling.batch_on(layout) / self.median(layout)

    def speedup(self, layout: Layout) -> float:
        """Returns images per second over those of the first layout, the median of the rounds."""
        first = self.scaling.layouts[0]
        images = self.scaling.batch_on(layout) / self.scaling.batch_on(first)
        ratios = paired_ratios(self.seconds[first], self.seconds[layout])
        return images * statistics.median(ratios)

    def to_json(self) -> list[dict[str, Any]]:
        """Returns one JSON object per layout."""
        return [
            {
                "step": str(self.scaling),
                "on": str(layout),
                "images a step": self.scaling.batch_on(layout),
                "median seconds": self.median(layout),
                "seconds": list(self.seconds[layout]),
                "images per second": self.rate(layout),
                "speed-up over one device": self.speedup(layout),
                "traffic": [dataclasses.asdict(entry) for entry in self.traffic[layout]],
            }
            for layout in self.scaling.layouts
        ]


@dataclass(frozen=True)
class Counted:
    """The collectives of a training step, read from compiled programs.

    Attributes:
      workload: the step, its state replicated.
      devices: number of devices that it was compiled for.
      expected: bytes to be summed, from the shapes of gradients and batch statistics.
      replicated: traffic where each device holds the whole state.
      split: traffic where each device holds a share of the state, --shard_params.
    """

    workload: Workload
    devices: int
    expected: int
    replicated: tuple[Traffic, ...]
    split: tuple[Traffic, ...]


@dataclass(frozen=True)
class ScalingResult:
    """The measurements and counts of the suite, and the step costs behind its predictions."""

    measured: tuple[Measured, ...]
    counted: tuple[Counted, ...]
    networks: tuple[StepCosts, ...]
