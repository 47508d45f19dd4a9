"""Latency of one face, as a distribution over many calls: how long a camera or page waits."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferjax.bench.measuring.case import ONNX, OURS, TORCH
from ferjax.bench.prediction.networks import NETWORKS, MeasuredNetwork
from ferjax.bench.prediction.other_runtimes import torch_onnx_probabilities, torch_probabilities
from ferjax.bench.pytorch.missing_sides import (
    missing_onnxruntime_for_torch,
    missing_torch_beside_cpu,
)

# Timed calls of a side in a row, and untimed calls before them: at first the threads of the
# previous side still wait for work.
_TURN, _WARM_UP = 100, 10


@dataclass(frozen=True)
class Latency:
    """Times of a call with one face.

    Attributes:
      network: the network's name.
      side: `ferjax`, `PyTorch` or `onnxruntime`.
      calls: number of calls.
      p50: median, milliseconds.
      p99: 99th percentile, milliseconds.
    """

    network: str
    side: str
    calls: int
    p50: float
    p99: float


def single_face_latencies(calls: int) -> list[Latency]:
    """Returns the latencies of one face for every network and runtime; the runtimes take turns."""
    return [each for network in NETWORKS for each in _latencies(network, calls)]


def _latencies(network: MeasuredNetwork, calls: int) -> list[Latency]:
    shape = (1, network.side, network.side, network.channels)
    face = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    sides: dict[str, Callable[[np.ndarray], Any]] = {OURS: network.predictor()}
    if not missing_torch_beside_cpu():
        sides[TORCH] = torch_probabilities(network, channels_last=False)
    if not missing_onnxruntime_for_torch():
        sides[ONNX] = torch_onnx_probabilities(network)
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    while len(seconds[OURS]) < calls:
        for side, call in sides.items():
            times = [_seconds(call, face) for _ in range(_WARM_UP + min(_TURN, calls))]
            seconds[side] += times[_WARM_UP:]
    return [
        Latency(network.name, side, len(times), *(1e3 * np.percentile(times, (50, 99))).tolist())
        for side, times in seconds.items()
    ]


def _seconds(call: Callable[[np.ndarray], Any], face: np.ndarray) -> float:
    start = time.perf_counter()
    call(face)
    return time.perf_counter() - start
