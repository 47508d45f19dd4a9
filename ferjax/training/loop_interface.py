"""Inputs of the training loop: durations, host-side state, and the functions that it calls."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ferjax.training.metrics import Evaluation
from ferjax.training.optimizers.plateau import Plateau
from ferjax.training.state import TrainState
from ferjax.training.train_step import EpochSums
from ferjax.training.wall_time import SecondsByKind, zero_seconds

# Factor on the learning rate each time a diverged run is restarted from a checkpoint.
_RETRY_FACTOR = 0.1


@dataclass(frozen=True)
class LoopPlan:
    """Durations of one phase: epochs, evaluations, saves, patience.

    Attributes:
      last_epoch: the last epoch of the phase, counted from the start of the run.
      all_epochs: number of epochs of the whole run, for display.
      steps_per_epoch: whole batches in the training split.
      batch_size: rows of the global batch.
      eval_every: epochs between evaluations.
      save_seconds: seconds between two saves within an epoch.
      steps_per_call: steps of a call of `train_step`; a call that reaches the end of the epoch has
        fewer.
      patience: evaluations without gain after which the phase ends early, or None.
      plateau: (patience, factor) of the schedule of that name, or None.
      progress: whether to show a bar on a terminal.
    """

    last_epoch: int
    all_epochs: int
    steps_per_epoch: int
    batch_size: int
    eval_every: int
    save_seconds: float
    steps_per_call: int = 1
    patience: int | None = None
    plateau: tuple[int, float] | None = None
    progress: bool = False


@dataclass(frozen=True)
class HostState:
    """Host-side state of a run: saved with `TrainState`, and not derivable from the step.

    Attributes:
      sums: running sums of the unfinished epoch.
      best: `epoch`, `step`, `accuracy` of the best evaluation so far; empty before the first.
      seconds: wall time of training so far, over all resumptions.
      spent: seconds by kind of work; the rest of `seconds` is training steps.
      starts: for each started phase, the number of epochs before it.
      waited: number of evaluations since the best one of this phase, and its accuracy.
      plateau: state of the `plateau` schedule in this phase.
      retries: how often the run was restarted from a checkpoint after it diverged.
      notes: remarks on the course of the run, for the report.
    """

    sums: EpochSums
    best: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    spent: Mapping[str, float] = field(default_factory=zero_seconds)
    starts: tuple[int, ...] = (0,)
    waited: tuple[int, float] = (0, -1.0)
    plateau: Plateau = field(default_factory=Plateau)
    retries: int = 0
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> float:
        """Returns the factor on the scheduled learning rate: plateau schedule and retries."""
        return self.plateau.scale * _RETRY_FACTOR**self.retries

    def with_seconds_since(self, start_time: float) -> "HostState":
        """Returns the state with the seconds since `start_time` (`time.monotonic`) added."""
        return replace(self, seconds=self.seconds + time.monotonic() - start_time)


@dataclass(frozen=True)
class LoopFunctions:
    """The functions that the loop calls.

    Attributes:
      train_step: (state, sums, batch, scale) → (state, sums) after the steps of a call.
      spent: the wall-time breakdown of the run, to which the loop and these functions add.
      zero_sums: () → sums at the start of an epoch, placed as `train_step` returns them.
      place: number → scalar on the devices, as `train_step` takes it.
      batches: the batch of each call on the devices, from the step of the state on.
      evaluate: (state) → evaluation on the selection split, and with a moving average also the
        evaluation of the raw parameters, else None.
      save: (state, host, accuracy or None) → starts a checkpoint.
      log_train: (epoch, step, sums, images a second, scale) → writes a line.
      log_eval: (epoch, step, evaluation, raw evaluation or None) → writes a line.
      interrupted: () → whether the user asked to stop; the same in all processes.
      agree: (function) → the value that process 0 computes, so that all processes act alike.
      watch: (epoch, accuracy), called after every evaluation and its save.
    """

    train_step: Callable[[TrainState, EpochSums, Any, Any], tuple[TrainState, EpochSums]]
    spent: SecondsByKind
    zero_sums: Callable[[], EpochSums]
    place: Callable[[float], Any]
    batches: Iterator[Any]
    evaluate: Callable[[TrainState], tuple[Evaluation, Evaluation | None]]
    save: Callable[[TrainState, HostState, float | None], None]
    log_train: Callable[[int, int, EpochSums, float, float], None]
    log_eval: Callable[[int, int, Evaluation, Evaluation | None], None]
    interrupted: Callable[[], bool]
    agree: Callable[[Callable[[], tuple[bool, int]]], Sequence[Any]]
    watch: Callable[[int, float], None]
