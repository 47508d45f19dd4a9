"""What was measured of a case, and the ratios that follow from it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ferjax.bench.measuring.case import OURS, TORCH, XLA
from ferjax.bench.measuring.measure_in_turns import paired_ratios, spread
from ferjax.bench.measuring.operation_counts import Work


@dataclass(frozen=True)
class CaseResult:
    """The measurements of one case.

    Attributes:
      suite: its suite.
      name: its name.
      shape: its shapes, in words.
      work: the least there is to do.
      floor: seconds below which the measured ceilings do not allow it.
      seconds: label → seconds of a run, one a round.
      peak_bytes: label → extra memory of a run; empty where it was not measured.
      setting: PyTorch's, the fastest of the trials.
      trials: setting → seconds in a short trial, or why it did not run.
      images: per run, or None.
    """

    suite: str
    name: str
    shape: str
    work: Work
    floor: float
    seconds: dict[str, tuple[float, ...]]
    peak_bytes: dict[str, int | None] = field(default_factory=dict)
    setting: str = ""
    trials: dict[str, float | str] = field(default_factory=dict)
    images: int | None = None


def peers_of(results: Sequence[CaseResult]) -> list[str]:
    """Returns the labels of all peers that any of the results has: XLA and PyTorch first."""
    found = dict.fromkeys(label for result in results for label in result.seconds if label != OURS)
    return [*(p for p in (XLA, TORCH) if p in found), *(p for p in found if p not in (XLA, TORCH))]


def median(result: CaseResult, label: str) -> float | None:
    """Returns the median seconds of a side, or None where it was not measured."""
    return statistics.median(result.seconds[label]) if label in result.seconds else None


def speedup(result: CaseResult, peer: str) -> float | None:
    """Returns how many times faster ferjax is: the median of the rounds' ratios."""
    if peer not in result.seconds:
        return None
    return statistics.median(paired_ratios(result.seconds[peer], result.seconds[OURS]))


def over_floor(result: CaseResult) -> float:
    """Returns ferjax's median time over the floor."""
    return statistics.median(result.seconds[OURS]) / result.floor


def memory_ratio(result: CaseResult, peer: str) -> float | None:
    """Returns how many times less extra memory ferjax takes, or None where that is not known."""
    theirs, ours = result.peak_bytes.get(peer), result.peak_bytes.get(OURS)
    return theirs / ours if theirs and ours else None


def to_json(result: CaseResult) -> dict[str, Any]:
    """Returns the result as JSON values, with medians, spreads and ratios."""
    sides = {
        label: {
            "median seconds": statistics.median(values),
            "spread": spread(values),
            "seconds": list(values),
            "images per second": _rate(result, label),
            "peak bytes": result.peak_bytes.get(label),
        }
        for label, values in result.seconds.items()
    }
    peers = [label for label in result.seconds if label != OURS]
    return {
        "suite": result.suite,
        "case": result.name,
        "shape": result.shape,
        "sides": sides,
        "speedup over": {peer: speedup(result, peer) for peer in peers},
        "paired ratios": {
            peer: paired_ratios(result.seconds[peer], result.seconds[OURS]) for peer in peers
        },
        "memory ratio to": {peer: memory_ratio(result, peer) for peer in peers},
        "floor seconds": result.floor,
        "times the floor": over_floor(result),
        "flops": result.work.flops,
        "bytes": result.work.bytes,
        "PyTorch setting": result.setting or None,
        "PyTorch trials": result.trials,
    }


def _rate(result: CaseResult, label: str) -> float | None:
    return result.images / statistics.median(result.seconds[label]) if result.images else None
