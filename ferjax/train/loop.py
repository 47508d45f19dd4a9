"""The training loop: next batch → step → log → evaluate → save, everything injected."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tqdm import tqdm

from ferjax.errors import UserError
from ferjax.train.metrics import Evaluation
from ferjax.train.state import TrainState
from ferjax.train.steps import NEVER, Sums


@dataclass(frozen=True)
class Plan:
    """How long to train, and when to look up from it."""

    epochs: int
    steps_per_epoch: int
    batch_size: int
    eval_every: int
    save_seconds: float
    progress: bool = False


@dataclass(frozen=True)
class HostState:
    """What a run knows beside its `TrainState`, and what does not follow from the step.

    Attributes:
      sums: of the epoch under way.
      best: `epoch`, `step`, `accuracy` of the best evaluation so far; empty before the first.
      seconds: spent training so far, over all resumptions.
    """

    sums: Sums
    best: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Parts:
    """The functions that the loop drives.

    Attributes:
      train_step: (state, sums, batch) → (state, sums).
      zero_sums: () → the sums that an epoch starts with, placed as `train_step` returns them.
      batches: device batches from the state's step on.
      evaluate: (state) → evaluation of the selection split.
      save: (state, host, accuracy or None) → starts a checkpoint.
      log_train: (epoch, step, sums, images a second) → writes a line.
      log_eval: (epoch, step, evaluation) → writes a line.
      interrupted: () → whether the user asked to stop.
    """

    train_step: Callable[[TrainState, Sums, Any], tuple[TrainState, Sums]]
    zero_sums: Callable[[], Sums]
    batches: Iterator[Any]
    evaluate: Callable[[TrainState], Evaluation]
    save: Callable[[TrainState, HostState, float | None], None]
    log_train: Callable[[int, int, Sums, float], None]
    log_eval: Callable[[int, int, Evaluation], None]
    interrupted: Callable[[], bool]


def fit(state: TrainState, host: HostState, plan: Plan, parts: Parts) -> TrainState:
    """Returns the state after `plan.epochs` epochs.

    Args:
      state: at any step; the epoch under way is finished first.
      host: as saved with that state.
      plan: durations.
      parts: the functions to drive.

    Raises:
      UserError: a loss is not finite.
      KeyboardInterrupt: the user asked to stop; the state has been saved.
    """
    started = time.monotonic() - host.seconds
    finished, first = divmod(int(state.step), plan.steps_per_epoch)
    if first == 0 and int(host.sums.count):
        # Saved between an epoch's last step and its evaluation: that epoch is still under way.
        finished, first = finished - 1, plan.steps_per_epoch
    for epoch in range(finished + 1, plan.epochs + 1):
        began = time.monotonic()
        state, host = _train_epoch(state, host, plan, parts, epoch, first, started)
        _check_finite(host.sums, plan)
        images = (plan.steps_per_epoch - first) * plan.batch_size
        rate = images / (time.monotonic() - began)
        first = 0
        step = int(state.step)
        parts.log_train(epoch, step, host.sums, rate)
        host, accuracy = replace(host, sums=parts.zero_sums()), None
        if epoch % plan.eval_every == 0 or epoch == plan.epochs:
            evaluation = parts.evaluate(state)
            if not math.isfinite(evaluation.loss):
                raise _diverged(step, epoch)
            parts.log_eval(epoch, step, evaluation)
            accuracy = evaluation.accuracy
            if accuracy > host.best.get("accuracy", -1.0):
                best = {"epoch": epoch, "step": step, "accuracy": accuracy}
                host = replace(host, best=best)
        host = replace(host, seconds=time.monotonic() - started)
        parts.save(state, host, accuracy)
    return state


def _train_epoch(
    state: TrainState,
    host: HostState,
    plan: Plan,
    parts: Parts,
    epoch: int,
    first: int,
    started: float,
) -> tuple[TrainState, HostState]:
    """Runs an epoch from its step `first` on; asks the device for its sums about once a second."""
    sums = host.sums
    looked = saved = time.monotonic()
    with tqdm(
        total=plan.steps_per_epoch,
        initial=first,
        desc=f"epoch {epoch}/{plan.epochs}",
        unit="step",
        disable=None if plan.progress else True,
        leave=False,
    ) as bar:
        for position in range(first + 1, plan.steps_per_epoch + 1):
            state, sums = parts.train_step(state, sums, next(parts.batches))
            bar.update()
            now = time.monotonic()
            if now - looked > 1:
                _check_finite(sums, plan)
                bar.set_postfix(loss=f"{sums.loss / sums.weight:.3f}", refresh=False)
                looked = now
            interrupted = parts.interrupted()
            # The save after an epoch's evaluation is due at its last step anyway.
            due = now - saved > plan.save_seconds and position < plan.steps_per_epoch
            if interrupted or due:
                _check_finite(sums, plan)
                parts.save(state, replace(host, sums=sums, seconds=now - started), None)
                saved = now
            if interrupted:
                raise KeyboardInterrupt
    return state, replace(host, sums=sums)


def _check_finite(sums: Sums, plan: Plan) -> None:
    broken = int(sums.broken)
    if broken != NEVER:
        raise _diverged(broken + 1, broken // plan.steps_per_epoch + 1)


def _diverged(step: int, epoch: int) -> UserError:
    return UserError(
        f"the loss is not finite at step {step} (epoch {epoch}). Training stopped; the last good"
        " checkpoint is kept. Try a lower --learning_rate, or --warmup_epochs."
    )
