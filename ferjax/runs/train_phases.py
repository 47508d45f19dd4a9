"""Train a task in its run directory: phase after phase, resumed from the latest checkpoint."""

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.phases import phases_of, total_epochs
from ferjax.runs.checkpoint_meta import checkpoint_meta, host_state_from_meta
from ferjax.runs.compiled_step import Step, compile_on_first_call, describe_program, traced_calls
from ferjax.runs.epoch_lines import epoch_line
from ferjax.runs.epoch_speed import epoch_speed
from ferjax.runs.frozen_branch import frozen_branch_name
from ferjax.runs.images_on_device import batches_on_devices
from ferjax.runs.phase_optimizer_and_step import first_state, phase_optimizer, plateau_of
from ferjax.runs.prepare_phase import (
    PreparedPhase,
    place_zero_sums,
    placed,
    prepare_first_phase_ahead,
    prepare_phase,
)
from ferjax.runs.split_evaluator import evaluate_split
from ferjax.runs.task import Task
from ferjax.runs.teachers import teacher_notes
from ferjax.runtime.processes import is_distributed, is_first, on_first, stop_requested
from ferjax.runtime.programs.compiler_options import jit_is_disabled
from ferjax.runtime.programs.stored_program import Program
from ferjax.runtime.progress_lines import say
from ferjax.training.interrupt_signals import interrupt_requests
from ferjax.training.loop import Diverged, diverged, fit, with_advice
from ferjax.training.loop_interface import HostState, LoopFunctions, LoopPlan
from ferjax.training.metrics import Evaluation
from ferjax.training.optimizers.plateau import Plateau
from ferjax.training.run_directory.checkpoints import restore_checkpoint, restore_meta
from ferjax.training.run_directory.metrics_jsonl import eval_line, train_line
from ferjax.training.run_directory.save_with_disk_errors import Record, open_run_record
from ferjax.training.state import TrainState, all_finite, evaluated_params, next_phase
from ferjax.training.train_step import EpochSums
from ferjax.training.wall_time import SecondsByKind, lap_timer, timed, zero_seconds

_log = logging.getLogger(__name__)
# (epoch, val accuracy) → None, called after every evaluation.
Watch = Callable[[int, float], None]


@dataclass(frozen=True)
class _Run:
    """The objects that all phases of a run share.

    Attributes:
      task: the task of the run.
      run_dir: the run directory.
      record: saves checkpoints and metrics.
      interrupted: () → whether the user asked this process to stop.
      watch: called after every evaluation.
      spent: the wall-time breakdown.
      lap: () → seconds by kind since the last train line.
      program: facts about the compiled step and the machine.
      prepared: index → phase that was prepared while the first state was computed.
    """

    task: Task
    run_dir: Path
    record: Record
    interrupted: Callable[[], bool]
    watch: Watch
    spent: SecondsByKind
    lap: Callable[[], SecondsByKind]
    program: dict[str, Any] = field(default_factory=dict)
    prepared: dict[int, PreparedPhase] = field(default_factory=dict)


def train_run(task: Task, run_dir: Path, watch: Watch | None = None) -> None:
    """Trains to the end, from the latest checkpoint in the directory or from step 0.

    Args:
      task: from `prepare_task`.
      run_dir: the locked run directory.
      watch: called after each evaluation and its save; an exception that it raises ends the run.

    Raises:
      Diverged: a loss, gradient or parameter is not finite; with `--on_nan=rollback`, only if this
        happens a second time.
      UserError: a failed save, unless `--on_save_error=continue` and a later save succeeded.
      KeyboardInterrupt: the user asked to stop; the state has been saved.
    """
    config = task.config
    with (
        open_run_record(run_dir, config.on_save_error, config.tensorboard) as record,
        interrupt_requests(is_distributed()) as interrupted,
    ):
        watch, spent = watch or (lambda epoch, accuracy: None), zero_seconds()
        run = _Run(task, run_dir, record, interrupted, watch, spent, lap_timer(spent))
        say("compiling the training step", config.progress)
        state, host = _restore_or_initialise(run)
        while True:
            try:
                state, host = _train_phase(run, state, host)
            except Diverged as error:
                if config.on_nan == "stop" or host.retries:
                    raise with_advice(error, config.on_nan, record.manager.latest_step()) from None
                record.settle()
                state, host = _restore_or_initialise(run)
                rollback = f"taken back to step {int(state.step)}, once"
                note = f"the loss, a gradient or a parameter was not finite: {rollback}"
                host = replace(host, retries=1, notes=(*host.notes, note))
                continue
            if len(host.starts) == len(task.frozen):
                return
            state, host = _enter_next_phase(run, state, host)


def _restore_or_initialise(run: _Run) -> tuple[TrainState, HostState]:
    """Returns training and host-side state of the latest checkpoint, or of step 0."""
    start_time, task, manager = time.monotonic(), run.task, run.record.manager
    latest_step, finished = manager.latest_step(), 0
    meta = None if latest_step is None else restore_meta(manager, latest_step)
    notes = teacher_notes(task.config, task.teachers, meta["notes"] if meta else None)
    host = HostState(place_zero_sums(task), notes=(*notes, *task.leaks))
    if meta is not None:
        host, finished = host_state_from_meta(meta, host.sums), meta["epoch"]
    run.spent.update(host.spent)
    run.lap()
    index, first_phase = len(host.starts) - 1, phases_of(task.config)[0]

    def prepare_step(state: TrainState) -> None:
        run.prepared[0] = prepare_first_phase_ahead(task, state)

    with timed(run.spent, "compile"):
        # Not with a frozen branch: its cached features need the values of the state.
        in_first_phase = index == 0 and finished < first_phase.epochs and not jit_is_disabled()
        ahead = in_first_phase and not frozen_branch_name(task, 0)
        state = first_state(task, prepare_step if ahead else None)
        if index:
            state = _state_for_phase(task, state, index)
    if latest_step is not None:
        state = restore_checkpoint(manager, latest_step, state)
    run.record.cut_back(int(state.step))
    return state, host.with_seconds_since(start_time)


def _enter_next_phase(
    run: _Run, state: TrainState, host: HostState
) -> tuple[TrainState, HostState]:
    """Returns training and host-side state at the start of the next phase."""
    start_time, task, index = time.monotonic(), run.task, len(host.starts)
    with timed(run.spent, "compile"):
        state = _state_for_phase(task, state, index)
    starts = (*host.starts, int(state.step) // task.steps_per_epoch)
    host = replace(host, starts=starts, waited=(0, -1.0), plateau=Plateau())
    return state, host.with_seconds_since(start_time)


def _state_for_phase(task: Task, state: TrainState, index: int) -> TrainState:
    """Returns the training state at the start of phase `index`."""
    optimizer, split = phase_optimizer(task, index), task.config.shard_params
    return next_phase(state, optimizer, task.frozen[index], task.mesh, split=split)


def _train_phase(run: _Run, state: TrainState, host: HostState) -> tuple[TrainState, HostState]:
    """Trains the current phase; returns training and host-side state at its end."""
    task, config, per_epoch = run.task, run.task.config, run.task.steps_per_epoch
    start_time = time.monotonic()
    index = len(host.starts) - 1
    phase = phases_of(config)[index]
    if (prepared := run.prepared.pop(index, None)) is None:
        with timed(run.spent, "data"):
            prepared = prepare_phase(task, index, host.starts[index], state, run.interrupted)
    inputs, rate = prepared.inputs, prepared.rate
    if inputs.note and inputs.note not in host.notes:
        host = replace(host, notes=(*host.notes, inputs.note))

    def evaluate(state: TrainState) -> tuple[Evaluation, Evaluation | None]:
        def evaluate_params(params: Any) -> Evaluation:
            variables = {"params": params, "batch_stats": state.batch_stats}
            return evaluate_split(inputs.logits_of, variables, inputs.val)

        evaluation = evaluate_params(evaluated_params(state))
        return evaluation, None if state.ema is None else evaluate_params(state.params)

    train_log: dict[str, Any] = {}
    last_epoch, total = host.starts[index] + phase.epochs, total_epochs(config)

    def print_epoch(val: dict[str, Any] | None) -> None:
        say(epoch_line(total, per_epoch * config.batch_size, train_log, val), config.progress)

    def log_train(epoch: int, step: int, sums: EpochSums, images: float, scale: float) -> None:
        learning_rate = np.asarray(rate(step - 1)).item() * scale
        speed = epoch_speed(task, images, run.program, run.spent, run.lap)
        train_log.update(train_line(epoch, step, sums, learning_rate, speed))
        run.record.append(dict(train_log))
        if epoch % config.eval_every and epoch != last_epoch:
            print_epoch(None)

    def log_eval(epoch: int, step: int, result: Evaluation, raw: Evaluation | None) -> None:
        line = eval_line(epoch, step, result, "val", task.bundle.classes, raw)
        run.record.append(line)
        print_epoch(line)

    def save(state: TrainState, host: HostState, accuracy: float | None) -> None:
        if not all_finite(state.params):
            step = int(state.step)
            raise diverged("a parameter", step, (step - 1) // per_epoch + 1)
        run.record.save(state, checkpoint_meta(task, state, host, run.program), accuracy)

    plan = LoopPlan(
        last_epoch=last_epoch,
        all_epochs=total,
        steps_per_epoch=per_epoch,
        batch_size=config.batch_size,
        eval_every=config.eval_every,
        save_seconds=60 * config.save_minutes,
        steps_per_call=task.steps_per_call,
        patience=config.patience,
        plateau=plateau_of(config, phase),
        progress=config.progress,
    )
    folder = run.run_dir / "profile" if config.profile and is_first() else None
    with traced_calls(_step(run, prepared.program_of), folder) as step:
        functions = LoopFunctions(
            train_step=step,
            spent=run.spent,
            zero_sums=functools.partial(place_zero_sums, task),
            place=functools.partial(placed, task),
            batches=batches_on_devices(task, inputs.train, int(state.step), run.interrupted),
            evaluate=evaluate,
            save=save,
            log_train=log_train,
            log_eval=log_eval,
            interrupted=lambda: stop_requested(run.interrupted()),
            agree=on_first,
            watch=run.watch,
        )
        return fit(state, host.with_seconds_since(start_time), plan, functions)


def _step(run: _Run, program_of: Callable[..., Program]) -> Step:
    """Returns the step of a phase, compiled on its first call."""

    def keep_facts(facts: dict[str, Any]) -> None:
        run.program.update(facts)
        _log.info(describe_program(facts, run.task.config.batch_size))

    return compile_on_first_call(program_of, run.spent, keep_facts)
