"""The training loop: next batch → step → log → evaluate → save, everything injected."""

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tqdm import tqdm

from ferjax.errors import UserError
from ferjax.train.metrics import Evaluation
from ferjax.train.plateau import Plateau, after_evaluation
from ferjax.train.state import TrainState
from ferjax.train.steps import NEVER, Sums

# Between two looks at the sums, which wait for the device.
_LOOK_SECONDS = 1.0
# A run that diverged is taken up again at this share of its learning rate.
_LOWER = 0.1


class Diverged(UserError):
    """A loss or a parameter is not finite."""


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
      starts: for each phase begun, how many epochs were finished before it.
      waited: evaluations since the best of this phase, and that one's accuracy.
      plateau: of the schedule of that name, in this phase.
      retries: how often the run was taken back after it diverged.
      notes: what the report should say of the run's course.
    """

    sums: Sums
    best: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
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


def fit(
    state: TrainState, host: HostState, plan: Plan, parts: Parts
) -> tuple[TrainState, HostState]:
    """Returns state and host at the end of a phase.

    Args:
      state: at any step of the phase; the epoch under way is finished first.
      host: as saved with that state.
      plan: durations.
      parts: the functions to drive.

    Raises:
      Diverged: a loss is not finite.
      KeyboardInterrupt: the user asked to stop; the state has been saved.
    """
    started = time.monotonic() - host.seconds
    finished, first = divmod(int(state.step), plan.steps_per_epoch)
    if first == 0 and int(host.sums.count):
        # Saved between an epoch's last step and its evaluation: that epoch is still under way.
        finished, first = finished - 1, plan.steps_per_epoch
    for epoch in range(finished + 1, plan.last + 1):
        if plan.patience and host.waited[0] >= plan.patience:
            break
        began = time.monotonic()
        state, host = _train_epoch(state, host, plan, parts, epoch, first, started)
        check_finite(host.sums, plan.steps_per_epoch)
        images = (plan.steps_per_epoch - first) * plan.batch_size
        rate = images / (time.monotonic() - began)
        first = 0
        step = int(state.step)
        parts.log_train(epoch, step, host.sums, rate, host.scale)
        host, accuracy = replace(host, sums=parts.zero_sums()), None
        if epoch % plan.eval_every == 0 or epoch == plan.last:
            evaluation, raw = parts.evaluate(state)
            if not math.isfinite(evaluation.loss):
                raise diverged(step, epoch)
            parts.log_eval(epoch, step, evaluation, raw)
            accuracy = evaluation.accuracy
            host = _after_evaluation(host, plan, epoch, step, accuracy)
        host = replace(host, seconds=time.monotonic() - started)
        parts.save(state, host, accuracy)
        if accuracy is not None:
            parts.watch(epoch, accuracy)
    return state, host


def _after_evaluation(
    host: HostState, plan: Plan, epoch: int, step: int, accuracy: float
) -> HostState:
    """Returns the host that has seen an evaluation."""
    if accuracy > host.best.get("accuracy", -1.0):
        host = replace(host, best={"epoch": epoch, "step": step, "accuracy": accuracy})
    count, best = host.waited
    host = replace(host, waited=(0, accuracy) if accuracy > best else (count + 1, best))
    if plan.plateau is None:
        return host
    patience, factor = plan.plateau
    seen = after_evaluation(host.plateau, accuracy, patience=patience, factor=factor)
    return replace(host, plateau=seen)


def _train_epoch(
    state: TrainState,
    host: HostState,
    plan: Plan,
    parts: Parts,
    epoch: int,
    first: int,
    started: float,
) -> tuple[TrainState, HostState]:
    """Runs an epoch from its step `first` on; looks at its sums about once a second."""
    sums = host.sums
    scale = parts.place(host.scale)
    looked = saved = time.monotonic()
    before, look_at = first, first + 1
    with tqdm(
        total=plan.steps_per_epoch,
        initial=first,
        desc=f"epoch {epoch}/{plan.of}",
        unit="step",
        disable=None if plan.progress else True,
        leave=False,
    ) as bar:
        for position in range(first + 1, plan.steps_per_epoch + 1):
            state, sums = parts.train_step(state, sums, next(parts.batches), scale)
            bar.update()
            due = False
            if position >= look_at:
                check_finite(sums, plan.steps_per_epoch)
                bar.set_postfix(loss=f"{sums.loss / sums.weight:.3f}", refresh=False)
                now = time.monotonic()
                due, steps = parts.agree(
                    functools.partial(_clock, plan, now - saved, now - looked, position - before)
                )
                before, looked, look_at = position, now, position + steps
            interrupted = parts.interrupted((epoch - 1) * plan.steps_per_epoch + position)
            # The save after an epoch's evaluation is due at its last step anyway.
            if interrupted or (due and position < plan.steps_per_epoch):
                check_finite(sums, plan.steps_per_epoch)
                saved = time.monotonic()
                parts.save(state, replace(host, sums=sums, seconds=saved - started), None)
            if interrupted:
                raise KeyboardInterrupt
    return state, replace(host, sums=sums)


def _clock(plan: Plan, unsaved: float, taken: float, steps: int) -> tuple[bool, int]:
    """Returns whether a save is due, and after how many steps to look again.

    Args:
      plan: durations.
      unsaved: seconds since the last save.
      taken: seconds since the last look.
      steps: taken meanwhile.
    """
    between = min(_LOOK_SECONDS, plan.save_seconds)
    # At most twice as many as before: what went fast for a moment may go slowly now.
    again = min(2 * steps, int(steps / max(taken, 1e-6) * between))
    return unsaved > plan.save_seconds, max(1, again)


def check_finite(sums: Sums, steps_per_epoch: int) -> None:
    """Raises `Diverged` where a step's loss was not finite."""
    broken = int(sums.broken)
    if broken != NEVER:
        raise diverged(broken + 1, broken // steps_per_epoch + 1)


def diverged(step: int, epoch: int) -> Diverged:
    """Returns the error of a run whose loss, or a parameter, is not finite at a step."""
    return Diverged(
        f"the loss is not finite at step {step} (epoch {epoch}). Training stopped; the last good"
        " checkpoint is kept. Try a lower --learning_rate, --warmup_epochs, or --on_nan=rollback."
    )
