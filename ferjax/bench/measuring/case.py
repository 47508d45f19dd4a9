"""A benchmark case: the implementations (sides) that it compares, and PyTorch's settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferjax.errors import UserError

# Runs once; returns the result when the device has finished.
Run = Callable[[], Any]
# Creates the inputs, compiles, and returns the run.
Build = Callable[[], Run]
# uint8 [B, H, W, C] → probabilities float32 [B, K].
Probabilities = Callable[[np.ndarray], np.ndarray]

OURS, XLA, TORCH, ONNX = "ferjax", "plain XLA", "PyTorch", "onnxruntime"
BARE = "bare loop"


class MissingSide(UserError):
    """A side cannot be built on this machine, for the reason in the message; others can."""


@dataclass(frozen=True)
class Peer:
    """PyTorch under one setting; the fastest of a case's peers becomes its PyTorch side.

    Attributes:
      setting: name of the setting in the report's tables.
      build: builder of the run.
      only_in_full_runs: whether a quick run leaves it out, because torch.compile takes half a
        minute.
    """

    setting: str
    build: Build
    only_in_full_runs: bool = False


@dataclass(frozen=True)
class Case:
    """An operation, training step or input pipeline to measure on all sides.

    Attributes:
      name: unique within its suite.
      shape: the shapes as text.
      function: ferjax's implementation, a pure jax function; None where nothing runs on the device.
      arguments: returns the abstract arguments of `function`; an empty tuple without a function.
      sides: label → builder; ferjax's side comes first.
      peers: the settings to try for PyTorch.
      flops: returns the FLOPs that are needed, where they are fewer than the plain form computes.
      bytes: the bytes that must move, where there is no function from which to count them.
      images: images per run, where images per second are a useful rate.
      memory: whether peak memory is measured, which takes one process per side.
      quick: whether the case belongs to a quick run.
    """

    name: str
    shape: str
    function: Callable[..., Any] | None
    arguments: Callable[[], tuple[Any, ...]]
    sides: Mapping[str, Build]
    peers: tuple[Peer, ...] = ()
    flops: Callable[[], float] | None = field(default=None, repr=False)
    bytes: int = 0
    images: int | None = None
    memory: bool = False
    quick: bool = False


def find_build(case: Case, label: str, setting: str = "") -> Build:
    """Returns the builder of a side; `setting` selects the peer of the PyTorch side."""
    if label != TORCH:
        return case.sides[label]
    return next(peer.build for peer in case.peers if peer.setting == setting)
