"""Interleaved timing of several runs, so that a drift of the machine affects all of them."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ferjax.bench.measuring.case import Run


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
      rounds: samples of each side.
      least: samples that a side takes even where it exceeds its budget.
      budget: seconds that a side may spend on its samples.
      sample: the least seconds of a sample; a shorter run is repeated and averaged.
      all_peers: whether the settings that only full runs have are tried.
    """

    rounds: int = 7
    least: int = 3
    budget: float = 25.0
    sample: float = 0.5
    all_peers: bool = True


# Seconds. A side whose runs take longer has no second warm-up, and no unmeasured run before a
# sample.
_LONG_RUN = 3.0

FULL = Effort()
QUICK = Effort(rounds=3, least=2, budget=6.0, sample=0.05, all_peers=False)


def measure(
    sides: Mapping[str, Run],
    effort: Effort = FULL,
    *,
    clock: Callable[[], float] = time.perf_counter,
    tick: Callable[[str], None] = lambda label: None,
) -> dict[str, tuple[float, ...]]:
    """Returns the seconds of a run of each side, one number per round.

    Every round runs every side, so that the k-th numbers of two sides make a pair. A side that has
    used up its budget is left out of the later rounds. A run that is not measured precedes every
    sample, unless the last run took longer than `_LONG_RUN`: while the others run, a side's data
    leave the caches, and a virtual machine gives memory that is free for seconds back to its host,
    which takes long to hand it out again. A loop of steps sees neither.

    Args:
      sides: label → run.
      effort: how long to measure.
      clock: returns seconds.
      tick: called with the label after the warm-up and after each sample.
    """
    lasted, repeats, samples = {}, {}, {label: [] for label in sides}
    for label, run in sides.items():
        lasted[label] = warm_up(run, clock)
        repeats[label] = max(1, math.ceil(effort.sample / max(lasted[label], 1e-6)))
        tick(label)
    for round_number in range(effort.rounds):
        for label, run in sides.items():
            spent = repeats[label] * sum(samples[label])
            if round_number >= effort.least and spent > effort.budget:
                continue
            # The first run may have been long only because it compiled something.
            if lasted[label] <= _LONG_RUN:
                run()
            lasted[label] = _seconds(run, repeats[label], clock)
            samples[label].append(lasted[label])
            tick(label)
    return {label: tuple(values) for label, values in samples.items()}


def warm_up(run: Run, clock: Callable[[], float] = time.perf_counter) -> float:
    """Runs until caches and allocators have settled; returns the seconds of the last run."""
    first = _seconds(run, 1, clock)
    # A second run of a step that takes seconds would show nothing new.
    return first if first > _LONG_RUN else _seconds(run, 1, clock)


def _seconds(run: Run, repeats: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(repeats):
        run()
    return (clock() - start) / repeats


def spread(values: Sequence[float]) -> float:
    """Returns (largest - smallest) / median."""
    return (max(values) - min(values)) / statistics.median(values)


def paired_ratios(peer: Sequence[float], ours: Sequence[float]) -> list[float]:
    """Returns peer / ours for every round that has both: above 1, ours is faster."""
    return [a / b for a, b in zip(peer, ours, strict=False)]
