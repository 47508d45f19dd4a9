"""The training loop: next batch → step → log → evaluate → save; everything is passed in."""

import functools
import math
import time
from dataclasses import replace

from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm
from ferjax.training.loop_interface import HostState, LoopFunctions, LoopPlan
from ferjax.training.optimizers.plateau import after_evaluation
from ferjax.training.state import TrainState
from ferjax.training.train_step import NEVER, EpochSums
from ferjax.training.wall_time import since, timed

# Seconds between two readings of the sums, because a reading waits for the device.
_READ_SECONDS = 1.0


class Diverged(UserError):
    """A loss, a gradient or a parameter is not finite."""


def fit(
    state: TrainState, host: HostState, plan: LoopPlan, parts: LoopFunctions
) -> tuple[TrainState, HostState]:
    """Trains to the end of a phase; returns training state and host-side state.

    Args:
      state: at any step of the phase; an unfinished epoch is finished first.
      host: the host-side state of the same step.
      plan: epochs, and the intervals of evaluations and saves.
      parts: the functions that the loop calls.

    Raises:
      Diverged: a loss, a gradient or a parameter is not finite.
      KeyboardInterrupt: the user asked to stop; the state has been saved.
    """
    training_start = time.monotonic() - host.seconds
    finished_epochs, first_step = divmod(int(state.step), plan.steps_per_epoch)
    if first_step == 0 and int(host.sums.count):
        # The state was saved after the last step of an epoch and before its evaluation.
        finished_epochs, first_step = finished_epochs - 1, plan.steps_per_epoch
    for epoch in range(finished_epochs + 1, plan.last_epoch + 1):
        if plan.patience and host.waited[0] >= plan.patience:
            break
        epoch_start, spent_before = time.monotonic(), dict(parts.spent)
        state, host = _train_epoch(state, host, plan, parts, epoch, first_step, training_start)
        check_finite(host.sums, plan.steps_per_epoch)
        images = (plan.steps_per_epoch - first_step) * plan.batch_size
        spent = since(parts.spent, spent_before)
        rate = images / (time.monotonic() - epoch_start - spent["compile"] - spent["save"])
        first_step, step = 0, int(state.step)
        parts.log_train(epoch, step, host.sums, rate, host.scale)
        host, accuracy = replace(host, sums=parts.zero_sums()), None
        if epoch % plan.eval_every == 0 or epoch == plan.last_epoch:
            with timed(parts.spent, "evaluate"):
                evaluation, raw = parts.evaluate(state)
            if not math.isfinite(evaluation.loss):
                raise diverged("the val loss", step, epoch)
            parts.log_eval(epoch, step, evaluation, raw)
            accuracy = evaluation.accuracy
            host = _after_evaluation(host, plan, epoch, step, accuracy)
        host = _save(state, host, parts, training_start, accuracy)
        if accuracy is not None:
            parts.watch(epoch, accuracy)
    return state, host


def _after_evaluation(
    host: HostState, plan: LoopPlan, epoch: int, step: int, accuracy: float
) -> HostState:
    """Returns the host-side state after an evaluation: best epoch, patience, plateau."""
    if accuracy > host.best.get("accuracy", -1.0):
        host = replace(host, best={"epoch": epoch, "step": step, "accuracy": accuracy})
    evaluations_waited, best_accuracy = host.waited
    if accuracy > best_accuracy:
        host = replace(host, waited=(0, accuracy))
    else:
        host = replace(host, waited=(evaluations_waited + 1, best_accuracy))
    if plan.plateau is None:
        return host
    patience, factor = plan.plateau
    plateau = after_evaluation(host.plateau, accuracy, patience=patience, factor=factor)
    return replace(host, plateau=plateau)


def _train_epoch(
    state: TrainState,
    host: HostState,
    plan: LoopPlan,
    parts: LoopFunctions,
    epoch: int,
    first_step: int,
    training_start: float,
) -> tuple[TrainState, HostState]:
    """Trains an epoch from its step `first_step` on; reads its sums about once a second."""
    sums = host.sums
    scale = parts.place(host.scale)
    last_reading = saved = time.monotonic()
    position_at_reading, next_reading = first_step, first_step + 1
    with tqdm(
        total=plan.steps_per_epoch,
        initial=first_step,
        desc=f"epoch {epoch}/{plan.all_epochs}",
        unit="step",
        disable=None if plan.progress else True,
        leave=False,
    ) as bar:
        position = first_step
        while position < plan.steps_per_epoch:
            with timed(parts.spent, "data"):
                batch = next(parts.batches)
            state, sums = parts.train_step(state, sums, batch, scale)
            steps = min(plan.steps_per_call, plan.steps_per_epoch - position)
            position += steps
            bar.update(steps)
            due = False
            if position >= next_reading:
                check_finite(sums, plan.steps_per_epoch)
                bar.set_postfix(loss=f"{sums.loss / sums.weight:.3f}", refresh=False)
                now = time.monotonic()
                steps_done = position - position_at_reading
                clock = functools.partial(_clock, plan, now - saved, now - last_reading, steps_done)
                due, wait = parts.agree(clock)
                position_at_reading, last_reading, next_reading = position, now, position + wait
            interrupted = parts.interrupted()
            # Not at the last step: the evaluation of the epoch is followed by a save.
            if interrupted or (due and position < plan.steps_per_epoch):
                check_finite(sums, plan.steps_per_epoch)
                saved = time.monotonic()
                _save(state, replace(host, sums=sums), parts, training_start, None)
            if interrupted:
                raise KeyboardInterrupt
    return state, replace(host, sums=sums)


def _save(
    state: TrainState,
    host: HostState,
    parts: LoopFunctions,
    training_start: float,
    accuracy: float | None,
) -> HostState:
    """Starts to save a checkpoint; returns the host-side state with the training time so far."""
    host = replace(host, seconds=time.monotonic() - training_start, spent=dict(parts.spent))
    with timed(parts.spent, "save"):
        parts.save(state, host, accuracy)
    return host


def _clock(plan: LoopPlan, unsaved: float, taken: float, steps: int) -> tuple[bool, int]:
    """Returns whether a save is due, and after how many steps to read the clock again.

    Args:
      plan: durations of the phase; only `save_seconds` is used.
      unsaved: seconds since the last save.
      taken: seconds since the last reading of the clock.
      steps: steps since the last reading of the clock.
    """
    interval = min(_READ_SECONDS, plan.save_seconds)
    # At most twice as many steps as before, because the next steps may be slower.
    next_steps = min(2 * steps, int(steps / max(taken, 1e-6) * interval))
    return unsaved > plan.save_seconds, max(1, next_steps)


def check_finite(sums: EpochSums, steps_per_epoch: int) -> None:
    """Raises `Diverged` if a loss, a gradient or a parameter of a step was not finite."""
    broken_step = int(sums.broken)
    if broken_step != NEVER:
        raise diverged(
            "the loss, a gradient or a parameter",
            broken_step + 1,
            broken_step // steps_per_epoch + 1,
        )


def diverged(what: str, step: int, epoch: int) -> Diverged:
    """Returns the error of a run in which `what` is not finite at a step."""
    return Diverged(f"{what} is not finite at step {step} (epoch {epoch}).")


def with_advice(error: Diverged, on_nan: str, kept: int | None) -> Diverged:
    """Returns the error of a diverged run with advice to the user.

    Args:
      error: names the value that was not finite, its step and its epoch.
      on_nan: the field of the run's config.
      kept: step of the latest checkpoint, or None.
    """
    remedy = "a lower --learning_rate, or --clip_norm=1"
    if kept is None:
        rollback = "" if on_nan == "rollback" else ", or --on_nan=rollback"
        return Diverged(
            f"{error} Training stopped before the first checkpoint, so --workdir is free: give the"
            f" command again with {remedy}{rollback}."
        )
    rollback = " --resume --on_nan=rollback continues from it at a tenth of the learning rate."
    return Diverged(
        f"{error} Training stopped; the checkpoint of step {kept} is kept."
        f"{'' if on_nan == 'rollback' else rollback} A new run, in another --workdir or with"
        f" --overwrite, can have {remedy}."
    )
