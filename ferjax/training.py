"""A task trained in its run directory: phase after phase, from wherever it was left."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

import ferjax
from ferjax.data.pipeline import iterate
from ferjax.known import known_branch
from ferjax.phase_parts import compiled_step, phase_optimizer, phase_rate, plateau_of
from ferjax.phases import phases_of, total_epochs
from ferjax.processes import asked_to_end, joined, on_first
from ferjax.sharding import put_batch, replicated
from ferjax.specs import spec_to_json
from ferjax.start import start_to_json
from ferjax.task import Task, evaluate_split, train_batches
from ferjax.train.checkpoint import (
    open_checkpoints,
    restore_checkpoint,
    restore_meta,
    save_checkpoint,
)
from ferjax.train.interrupt import interrupt_requests
from ferjax.train.loop import Diverged, HostState, Parts, Plan, diverged, fit
from ferjax.train.metrics import Evaluation
from ferjax.train.plateau import Plateau
from ferjax.train.state import TrainState, create_state, evaluated_params, next_phase
from ferjax.train.steps import Sums, zero_sums
from ferjax.train.writer import append_line, cut_back, eval_line, train_line
from ferjax.tree import flatten

# (epoch, val accuracy) → None, after every evaluation.
Watch = Callable[[int, float], None]


@dataclass(frozen=True)
class _Run:
    """What all phases of a run share.

    Attributes:
      task: what is trained.
      run_dir: where.
      manager: of its checkpoints.
      interrupted: () → whether the user asked this process to stop.
      watch: told of every evaluation.
    """

    task: Task
    run_dir: Path
    manager: ocp.CheckpointManager
    interrupted: Callable[[], bool]
    watch: Watch


def train_run(task: Task, run_dir: Path, watch: Watch | None = None) -> None:
    """Trains from the directory's latest checkpoint, or from the start, to the end.

    Args:
      task: from `prepare_task`.
      run_dir: locked.
      watch: called after each evaluation and its save; what it raises ends the run.

    Raises:
      Diverged: a loss or parameter that is not finite; with `--on_nan=rollback` a second time.
      KeyboardInterrupt: the user asked to stop; the state has been saved.
    """
    with open_checkpoints(run_dir) as manager, interrupt_requests(joined()) as interrupted:
        run = _Run(task, run_dir, manager, interrupted, watch or (lambda epoch, accuracy: None))
        state, host = _left(run)
        while True:
            try:
                state, host = _train_phase(run, state, host)
            except Diverged:
                if task.config.on_nan == "stop" or host.retries:
                    raise
                manager.wait_until_finished()
                state, host = _left(run)
                taken = f"the loss was not finite: taken back to step {int(state.step)}, once"
                host = replace(host, retries=1, notes=(*host.notes, taken))
                continue
            if len(host.starts) == len(task.frozen):
                return
            state, host = _next(task, state, host)


def _left(run: _Run) -> tuple[TrainState, HostState]:
    """Returns state and host of the latest checkpoint, or those that a run starts with."""
    task = run.task
    state = create_state(
        task.model,
        phase_optimizer(task, 0),
        task.spec,
        task.config.seed,
        task.mesh,
        _dtype(task),
        frozen=task.frozen[0],
        given=task.start and task.start.variables,
        ema=task.config.ema is not None,
        split=task.config.shard_params,
    )
    host = HostState(_placed_zeros(task))
    if (latest := run.manager.latest_step()) is not None:
        host = _restored_host(restore_meta(run.manager, latest), host.sums)
        index = len(host.starts) - 1
        if index:
            state = _begun(task, state, index)
        state = restore_checkpoint(run.manager, latest, state)
    cut_back(run.run_dir, int(state.step))
    return state, host


def _next(task: Task, state: TrainState, host: HostState) -> tuple[TrainState, HostState]:
    """Returns state and host at the start of the phase that follows theirs."""
    index = len(host.starts)
    state = _begun(task, state, index)
    starts = (*host.starts, int(state.step) // task.steps_per_epoch)
    return state, replace(host, starts=starts, waited=(0, -1.0), plateau=Plateau())


def _begun(task: Task, state: TrainState, index: int) -> TrainState:
    """Returns a state as phase `index` begins with it."""
    optimizer, split = phase_optimizer(task, index), task.config.shard_params
    return next_phase(state, optimizer, task.frozen[index], task.mesh, split=split)


def _train_phase(run: _Run, state: TrainState, host: HostState) -> tuple[TrainState, HostState]:
    """Returns state and host at the end of the phase that they are in."""
    task, config, per_epoch = run.task, run.task.config, run.task.steps_per_epoch
    index = len(host.starts) - 1
    phase = phases_of(config)[index]
    rate = phase_rate(config, index, host.starts[index] * per_epoch, per_epoch)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    known = known_branch(task, index, variables, run.interrupted)
    if known.note and known.note not in host.notes:
        host = replace(host, notes=(*host.notes, known.note))

    def evaluate(state: TrainState) -> tuple[Evaluation, Evaluation | None]:
        def of(params: Any) -> Evaluation:
            variables = {"params": params, "batch_stats": state.batch_stats}
            return evaluate_split(known.logits_of, variables, known.val)

        return of(evaluated_params(state)), None if state.ema is None else of(state.params)

    def log_train(epoch: int, step: int, sums: Sums, speed: float, scale: float) -> None:
        learning_rate = np.asarray(rate(step - 1)).item() * scale
        append_line(run.run_dir, train_line(epoch, step, sums, learning_rate, speed))

    def log_eval(epoch: int, step: int, result: Evaluation, raw: Evaluation | None) -> None:
        line = eval_line(epoch, step, result, "val", task.bundle.classes, raw)
        append_line(run.run_dir, line)

    def save(state: TrainState, host: HostState, accuracy: float | None) -> None:
        if not _all_finite(state.params):
            step = int(state.step)
            raise diverged(step, (step - 1) // per_epoch + 1)
        save_checkpoint(run.manager, state, _meta(task, state, host), accuracy)

    batches = iterate(train_batches(config, known.train), int(state.step))
    parts = Parts(
        train_step=compiled_step(task, index, known, rate, state),
        zero_sums=functools.partial(_placed_zeros, task),
        place=lambda number: jax.device_put(_dtype(task)(number), replicated(task.mesh)),
        batches=(put_batch(batch, task.mesh) for batch in batches),
        evaluate=evaluate,
        save=save,
        log_train=log_train,
        log_eval=log_eval,
        interrupted=lambda step: asked_to_end(run.interrupted(), step),
        agree=on_first,
        watch=run.watch,
    )
    plan = Plan(
        last=host.starts[index] + phase.epochs,
        of=total_epochs(config),
        steps_per_epoch=per_epoch,
        batch_size=config.batch_size,
        eval_every=config.eval_every,
        save_seconds=60 * config.save_minutes,
        patience=config.patience,
        plateau=plateau_of(config, phase),
        progress=config.progress,
    )
    return fit(state, host, plan, parts)


def _dtype(task: Task) -> Any:
    """Returns the dtype of parameters and losses."""
    return np.float64 if task.config.precision == "f64" else np.float32


def _placed_zeros(task: Task) -> Sums:
    # Sums straight from the host are another type to jit, which would compile a second time.
    return jax.device_put(zero_sums(_dtype(task)), replicated(task.mesh))


@jax.jit
def _all_finite(tree: Any) -> jax.Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def _restored_host(meta: Mapping[str, Any], like: Sums) -> HostState:
    """Returns what a checkpoint's meta says of the host, sums typed and placed as `like`."""
    sums = (
        jax.device_put(np.asarray(value, zero.dtype), zero.sharding)
        for value, zero in zip(meta["sums"], like, strict=True)
    )
    return HostState(
        Sums(*sums),
        best=meta["best"],
        seconds=meta["seconds"],
        starts=tuple(meta["starts"]),
        waited=tuple(meta["waited"]),
        plateau=Plateau(**meta["plateau"]),
        retries=meta["retries"],
        notes=tuple(meta["notes"]),
    )


def _meta(task: Task, state: TrainState, host: HostState) -> dict[str, Any]:
    """Returns what a checkpoint holds beside the state: a loader's needs, and host values."""
    return {
        "ferjax": ferjax.__version__,
        "model": task.config.model,
        "fields": task.fields,
        "classes": list(task.bundle.classes),
        "spec": spec_to_json(task.spec),
        "start": task.start and start_to_json(task.start),
        "epoch": int(state.step) // task.steps_per_epoch,
        "averaged": sorted(flatten(state.ema or {})),
        "best": host.best,
        "sums": [np.asarray(value).item() for value in host.sums],
        "seconds": host.seconds,
        "starts": list(host.starts),
        "waited": list(host.waited),
        "plateau": asdict(host.plateau),
        "retries": host.retries,
        "notes": list(host.notes),
    }
