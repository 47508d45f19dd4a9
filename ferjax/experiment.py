"""Train and evaluate: models and data composed into runs that leave a report."""

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import ferjax
from ferjax.assess import assess_run, assess_split
from ferjax.augment import AUGMENTS
from ferjax.config import EvalConfig, TrainConfig
from ferjax.data.pipeline import iterate
from ferjax.errors import UserError
from ferjax.pretrained import start_to_json
from ferjax.several import runs_of, train_several
from ferjax.sharding import Devices, compiled, devices_for, put_batch, replicated
from ferjax.specs import spec_to_json
from ferjax.task import Task, evaluate_split, prepare_task, train_batches
from ferjax.train.checkpoint import open_checkpoints, restore_checkpoint, save_checkpoint
from ferjax.train.interrupt import interrupt_requests
from ferjax.train.loop import HostState, Parts, Plan, fit
from ferjax.train.losses import CLASS_WEIGHTS
from ferjax.train.metrics import Evaluation
from ferjax.train.optim import make_optimizer, make_schedule
from ferjax.train.rundir import check_run_dir, locked_run_dir, read_config
from ferjax.train.state import TrainState, create_state
from ferjax.train.steps import Sums, train_step, zero_sums
from ferjax.train.writer import append_line, cut_back, eval_line, train_line


def enable_compile_cache() -> None:
    """Keeps compiled programs between processes, in $JAX_COMPILATION_CACHE_DIR or ~/.cache."""
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        folder = Path.home() / ".cache" / "ferjax" / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(folder))


def run_train(config: TrainConfig, devices: Devices | None = None) -> dict[str, Any]:
    """Trains, or resumes, and reports; returns the report, with its `path`.

    Args:
      config: from `ferjax.recipes.resolve`. With `seeds` or `folds`, one run for each and a top
        report.
      devices: to train on; None for all of all hosts.

    Raises:
      UserError: anything in config or data that cannot work, or a loss that is not finite.
      KeyboardInterrupt: stopped by the user; the state has been saved.
    """
    check_run_dir(config)
    if runs_of(config)[1]:
        return train_several(config, functools.partial(run_train, devices=devices))
    if finished := _finished_report(config):
        return finished
    task = prepare_task(config, devices)
    with locked_run_dir(config) as run_dir:
        _train(task, run_dir)
        return assess_run(task, run_dir)


def _finished_report(config: TrainConfig) -> dict[str, Any] | None:
    """Returns the report of a run that has nothing left to train or to evaluate, or None."""
    path = Path(config.workdir or "") / "report.json"
    if not path.is_file():
        return None
    report = json.loads(path.read_text(encoding="utf-8"))
    own = report["config"]
    if own["epochs"] < config.epochs or own.get("tta", "none") != config.tta:
        return None
    return {**report, "path": str(path.with_suffix(".md"))}


def _train(task: Task, run_dir: Path) -> None:
    """Trains the task from the directory's latest checkpoint, or from the start."""
    config, mesh, classes = task.config, task.mesh, task.bundle.classes
    train, val = task.bundle.splits["train"], task.bundle.splits["val"]
    batches = train_batches(config, train)
    per_epoch = batches.steps_per_epoch
    schedule = make_schedule(
        config.schedule,
        config.learning_rate,
        len(batches),
        warmup_steps=round(config.warmup_epochs * per_epoch),
    )
    optimizer = make_optimizer(
        config.optimizer, schedule, momentum=config.momentum, weight_decay=config.weight_decay
    )
    dtype = np.float64 if config.precision == "f64" else np.float32
    state = create_state(
        task.model,
        optimizer,
        task.spec,
        config.seed,
        mesh,
        dtype,
        frozen=task.frozen,
        given=task.start and task.start.variables,
    )

    def placed_zeros() -> Sums:
        # Sums straight from the host are another type to jit, which would compile a second time.
        return jax.device_put(zero_sums(dtype), replicated(mesh))

    host = HostState(placed_zeros())

    def evaluate(state: TrainState) -> Evaluation:
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        return evaluate_split(task.logits_of, variables, val)

    def log_train(epoch: int, step: int, sums: Sums, rate: float) -> None:
        learning_rate = np.asarray(schedule(step - 1)).item()
        append_line(run_dir, train_line(epoch, step, sums, learning_rate, rate))

    def log_eval(epoch: int, step: int, result: Evaluation) -> None:
        append_line(run_dir, eval_line(epoch, step, result, "val", classes))

    with open_checkpoints(run_dir) as manager, interrupt_requests() as interrupted:

        def save(state: TrainState, host: HostState, accuracy: float | None) -> None:
            save_checkpoint(manager, state, _meta(task, state, host, per_epoch), accuracy)

        if (latest := manager.latest_step()) is not None:
            state, meta = restore_checkpoint(manager, latest, state)
            host = _restored_host(meta, host.sums)
        cut_back(run_dir, int(state.step))
        parts = Parts(
            train_step=_compiled_step(task, optimizer),
            zero_sums=placed_zeros,
            batches=(put_batch(batch, mesh) for batch in iterate(batches, int(state.step))),
            evaluate=evaluate,
            save=save,
            log_train=log_train,
            log_eval=log_eval,
            interrupted=interrupted,
        )
        plan = Plan(
            epochs=config.epochs,
            steps_per_epoch=per_epoch,
            eval_every=config.eval_every,
            batch_size=config.batch_size,
            save_seconds=60 * config.save_minutes,
            progress=config.progress,
        )
        fit(state, host, plan, parts)


def _compiled_step(
    task: Task, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Sums, Any], tuple[TrainState, Sums]]:
    """Returns the training step, compiled once for the whole run."""
    config, mesh = task.config, task.mesh
    labels = task.bundle.splits["train"].labels
    counts = np.bincount(labels, minlength=len(task.bundle.classes))
    step = functools.partial(
        train_step,
        class_weights=CLASS_WEIGHTS[config.class_weights](counts),
        loss=config.loss,
        model=task.model,
        optimizer=optimizer,
        spec=task.spec,
        augment=AUGMENTS[config.augment],
        label_smoothing=config.label_smoothing,
        seed=config.seed,
        frozen=task.frozen,
    )
    return compiled(step, mesh, donate_argnums=(0, 1), out_shardings=replicated(mesh))


def _restored_host(meta: Mapping[str, Any], like: Sums) -> HostState:
    """Returns what a checkpoint's meta says of the host, sums typed and placed as `like`."""
    sums = (
        jax.device_put(np.asarray(value, zero.dtype), zero.sharding)
        for value, zero in zip(meta["sums"], like, strict=True)
    )
    return HostState(Sums(*sums), meta["best"], meta["seconds"])


def _meta(task: Task, state: TrainState, host: HostState, per_epoch: int) -> dict[str, Any]:
    """Returns what a checkpoint holds beside the state: a loader's needs, and host values."""
    return {
        "ferjax": ferjax.__version__,
        "model": task.config.model,
        "fields": task.fields,
        "classes": list(task.bundle.classes),
        "spec": spec_to_json(task.spec),
        "start": task.start and start_to_json(task.start),
        "epoch": int(state.step) // per_epoch,
        "best": host.best,
        "sums": [np.asarray(value).item() for value in host.sums],
        "seconds": host.seconds,
    }


def run_evaluate(config: EvalConfig) -> dict[str, Any]:
    """Evaluates a run on any split or data set; returns the report, with its `path`.

    Without data set, folder, split and test-time augmentation the run's own report is made anew;
    else the report goes to RUN/evaluations/<dataset>-<split>[-<tta>]/.

    Raises:
      UserError: no such run, split or data, or no class in common.
    """
    if not config.workdir:
        raise UserError("--workdir is missing: the folder of a ferjax run.")
    run_dir = Path(config.workdir)
    own = read_config(run_dir)
    given = (config.dataset, config.data_dir, config.split)
    if given == (None, None, None) and config.tta == "none":
        own = replace(own, progress=config.progress)
        return assess_run(prepare_task(own, devices_for(own.batch_size)), run_dir)
    return assess_split(config, own)
