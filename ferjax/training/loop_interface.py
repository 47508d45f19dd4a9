"""What the training loop is given: durations, what the host remembers, functions to drive."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ferjax.training.metrics import Evaluation
from ferjax.training.optimizers.plateau import Plateau
from ferjax.training.state import TrainState
from ferjax.training.train_step import Sums
from ferjax.training.wall_time import Spent, nothing_spent

# A run that diverged is taken up again at this share of its learning rate.
_LOWER = 0.1


@dataclass(frozen=True)
class Plan:
    """How long to train in one phase, and when to look up from it.

    Attributes:
      last: the epoch after which the phase ends, counted from the start of the run.
      of: the run's epochs, for display.
      steps_per_epoch: whole batches in the training split.
      batch_size: rows of the global batch.
      eval_every: epochs between evaluations.
      save_seconds: between two saves within an epoch.
      patience: evaluations without gain after which the phase ends early, or None.
      plateau: (patience, factor) of the schedule of that name, or None.
      progress: whether to show a bar on a terminal.
    """

    last: int
    of: int
    steps_per_epoch: int
    batch_size: int
    eval_every: int
    save_seconds: float
    patience: int | None = None
    plateau: tuple[int, float] | None = None
    progress: bool = False


@dataclass(frozen=True)
class HostState:
    """What a run knows beside its `TrainState`, and what does not follow from the step.

    Attributes:
      sums: of the epoch under way.
      best: `epoch`, `step`, `accuracy` of the best evaluation so far; empty before the first.
      seconds: spent training so far, over all resumptions.
      spent: of those, by what they went to; steps took the rest.
      starts: for each phase begun, how many epochs were finished before it.
      waited: evaluations since the best of this phase, and that one's accuracy.
      plateau: of the schedule of that name, in this phase.
      retries: how often the run was taken back after it diverged.
      notes: what the report should say of the run's course.
    """

    sums: Sums
    best: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    spent: Mapping[str, float] = field(default_factory=nothing_spent)
    starts: tuple[int, ...] = (0,)
    waited: tuple[int, float] = (0, -1.0)
    plateau: Plateau = field(default_factory=Plateau)
    retries: int = 0
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> float:
        """Returns the share of the scheduled learning rate that is taken."""
        return self.plateau.scale * _LOWER**self.retries


@dataclass(frozen=True)
class Parts:
    """The functions that the loop drives.

    Attributes:
      train_step: (state, sums, batch, scale) → (state, sums).
      spent: the run's account of time, to which the loop and the other parts add.
      zero_sums: () → the sums that an epoch starts with, placed as `train_step` returns them.
      place: number → the same as `train_step` takes it.
      batches: device batches from the state's step on.
      evaluate: (state) → evaluation of the selection split, and of the raw parameters where it is
        their average that is evaluated.
      save: (state, host, accuracy or None) → starts a checkpoint.
      log_train: (epoch, step, sums, images a second, scale) → writes a line.
      log_eval: (epoch, step, evaluation, raw evaluation or None) → writes a line.
      interrupted: (step) → whether the user asked to stop, the same in all processes.
      agree: (function) → what process 0's returns: the clock's say, that all may do the same.
      watch: (epoch, accuracy) → told of every evaluation, after its save.
    """

    train_step: Callable[[TrainState, Sums, Any, Any], tuple[TrainState, Sums]]
    spent: Spent
    zero_sums: Callable[[], Sums]
    place: Callable[[float], Any]
    batches: Iterator[Any]
    evaluate: Callable[[TrainState], tuple[Evaluation, Evaluation | None]]
    save: Callable[[TrainState, HostState, float | None], None]
    log_train: Callable[[int, int, Sums, float, float], None]
    log_eval: Callable[[int, int, Evaluation, Evaluation | None], None]
    interrupted: Callable[[int], bool]
    agree: Callable[[Callable[[], tuple[bool, int]]], Sequence[Any]]
    watch: Callable[[int, float], None]
