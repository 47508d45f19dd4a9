"""What a run of the suite found, and the ratios that follow from it."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from ferjax.bench.measuring.measure_in_turns import paired_ratios
from ferjax.bench.scaling.devices_and_workload import Layout, Scaling, Workload
from ferjax.bench.scaling.network_facts import Facts
from ferjax.bench.scaling.ring_traffic import Traffic, wire_bytes


@dataclass(frozen=True)
class Measured:
    """A step on every layout, in turns.

    Attributes:
      scaling: what was measured.
      seconds: layout → seconds a step, one a round.
      traffic: layout → what its step exchanges.
    """

    scaling: Scaling
    seconds: Mapping[Layout, tuple[float, ...]]
    traffic: Mapping[Layout, tuple[Traffic, ...]]

    def median(self, layout: Layout) -> float:
        """Returns the median seconds of a step."""
        return statistics.median(self.seconds[layout])

    def rate(self, layout: Layout) -> float:
        """Returns the median images a second, of all devices together."""
        return self.scaling.batch_on(layout) / self.median(layout)

    def speedup(self, layout: Layout) -> float:
        """Returns the images a second over those of the first layout, median of the rounds."""
        first = self.scaling.layouts[0]
        images = self.scaling.batch_on(layout) / self.scaling.batch_on(first)
        ratios = paired_ratios(self.seconds[first], self.seconds[layout])
        return images * statistics.median(ratios)


@dataclass(frozen=True)
class Counted:
    """What a step exchanges on some devices, from the compiled programs.

    Attributes:
      workload: the step, its state replicated.
      devices: it was compiled for.
      facts: of the step, whose `payload` is what its shapes say.
      replicated: each device has the whole state.
      split: each has a share, --shard_params.
    """

    workload: Workload
    devices: int
    facts: Facts
    replicated: tuple[Traffic, ...]
    split: tuple[Traffic, ...]

    @property
    def payload(self) -> int:
        """Returns the bytes that the replicated step exchanges."""
        return sum(entry.payload for entry in self.replicated)

    @property
    def excess(self) -> int:
        """Returns how much more that is than the shapes say."""
        return self.payload - self.facts.payload

    @property
    def more(self) -> float:
        """Returns how many times as much a device sends where the state is split."""
        return wire_bytes(self.split) / wire_bytes(self.replicated)


@dataclass(frozen=True)
class Outcome:
    """All that a run of the suite found.

    Attributes:
      measured: on this machine.
      counted: from compiled programs.
      networks: for which larger machines are predicted.
    """

    measured: tuple[Measured, ...]
    counted: tuple[Counted, ...]
    networks: tuple[Facts, ...]

    @property
    def split_wire(self) -> float:
        """Returns the largest `more` that was counted, for the predictions of split states."""
        return max((entry.more for entry in self.counted), default=1.0)
