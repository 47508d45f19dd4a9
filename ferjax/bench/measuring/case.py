"""What is measured: a case, its sides, and the settings that are tried for the PyTorch side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Runs once and returns what it computed when the device is done.
Run = Callable[[], Any]
# Makes inputs, compiles, and returns the run.
Build = Callable[[], Run]

OURS, XLA, TORCH, BARE = "ferjax", "plain XLA", "PyTorch", "bare loop"


@dataclass(frozen=True)
class Peer:
    """PyTorch under one setting; the fastest of a case's peers becomes its PyTorch side.

    Attributes:
      setting: in words, for the table.
      build: its builder.
      compiled: by torch.compile, which takes half a minute: not tried in a quick run.
    """

    setting: str
    build: Build
    compiled: bool = False


@dataclass(frozen=True)
class Case:
    """One thing to measure on all sides.

    Attributes:
      name: unique within its suite.
      shape: the shapes in words.
      function: ferjax's own form, a pure jax function; None where nothing runs on the device.
      arguments: returns the abstract arguments of `function`; none where there is none.
      sides: label → builder; ferjax's first.
      peers: the settings to try for PyTorch.
      flops: what the mathematics needs, where that is less than the plain form computes.
      bytes: what must move, where there is no function to tell.
      images: per run, where a rate in images a second makes sense.
      memory: whether peak memory is measured too, which takes a process a side.
      quick: whether a quick run holds it.
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
    """Returns the builder of a side; `setting` names the peer where the side is PyTorch's."""
    if label != TORCH:
        return case.sides[label]
    return next(peer.build for peer in case.peers if peer.setting == setting)
