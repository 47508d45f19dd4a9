"""Result of a benchmark case: times, memory, speed-ups over the peers, JSON."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ferjax.bench.measuring.case import OURS, TORCH, XLA
from ferjax.bench.measuring.interleaved_timing import paired_ratios, spread
from ferjax.bench.measuring.operation_counts import Work


@dataclass(frozen=True)
class CaseResult:
    """The measurements of one case.

    Attributes:
      suite: name of its suite.
      name: name of the case.
      shape: shapes of the case as text.
      work: the minimum of FLOPs and bytes.
      floor: the least seconds that the machine's measured ceilings allow.
      seconds: label → seconds of a run, one number per round.
      peak_bytes: label → extra memory of a run; empty where it was not measured.
      setting: the PyTorch setting that was fastest in the trials.
      trials: setting → seconds in a short trial, or why it did not run.
      images: images per run, or None.
      missing: label → why a side of the case could not be built.
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
    missing: dict[str, str] = field(default_factory=dict)


def peers_of(results: Sequence[CaseResult]) -> list[str]:
    """Returns the labels of all peers in the results: XLA and PyTorch first."""
    labels = dict.fromkeys(label for result in results for label in result.seconds if label != OURS)
    first = [peer for peer in (XLA, TORCH) if peer in labels]
    return [*first, *(peer for peer in labels if peer not in first)]


def median(result: CaseResult, label: str) -> float | None:
    """Returns the median seconds of a side, or None where it was not measured."""
    return statistics.median(result.seconds[label]) if label in result.seconds else None


def speedup(result: CaseResult, peer: str) -> float | None:
    """Returns how many times faster than a peer ferjax is, the median of the rounds' ratios."""
    if peer not in result.seconds:
        return None
    return statistics.median(paired_ratios(result.seconds[peer], result.seconds[OURS]))


def over_floor(result: CaseResult) -> float:
    """Returns ferjax's median time divided by the floor."""
    return statistics.median(result.seconds[OURS]) / result.floor


def memory_ratio(result: CaseResult, peer: str) -> float | None:
    """Returns a peer's extra memory divided by ferjax's, or None where one was not measured."""
    peer_peak, our_peak = result.peak_bytes.get(peer), result.peak_bytes.get(OURS)
    return peer_peak / our_peak if peer_peak and our_peak else None


def to_json(result: CaseResult) -> dict[str, Any]:
    """Returns the result as JSON values, with medians, spreads and ratios."""
    sides = {
        label: {
            "median seconds": statistics.median(values),
            "spread": spread(values),
            "seconds": list(values),
            "images per second": _images_per_second(result, label),
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
        "missing sides": result.missing,
    }


def _images_per_second(result: CaseResult, label: str) -> float | None:
    return result.images / statistics.median(result.seconds[label]) if result.images else None
