"""Suite `loop`: an epoch of the training loop against the same steps in a bare loop."""

import itertools
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.case import BARE, OURS, Case, Run
from ferjax.bench.measuring.train_step_case import (
    compiled_parts,
    random_batch,
    step_parts,
    step_run,
)
from ferjax.runtime.programs.machine_limits import peak_memory
from ferjax.runtime.sharding import data_mesh, replicated
from ferjax.training.loop import fit
from ferjax.training.loop_interface import HostState, LoopFunctions, LoopPlan
from ferjax.training.metrics import Evaluation
from ferjax.training.run_directory.metrics_jsonl import train_line
from ferjax.training.run_directory.save_with_disk_errors import Record
from ferjax.training.train_step import zero_sums
from ferjax.training.wall_time import lap_timer, zero_seconds

# P4's smallest network: its steps are the shortest, so the cost around them shows most.
_MODEL, _SIDE, _CHANNELS, _BATCH, _OPTIMIZER = "cnn3", 48, 1, 128, "adam"
# FER2013 has 224 steps; with fewer steps an epoch's log line and checkpoint have a larger share of
# the time.
_STEPS = 30


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite."""
    step, init = step_parts(_MODEL, _SIDE, _CHANNELS, _OPTIMIZER)
    batch = random_batch(_SIDE, _CHANNELS, _BATCH)
    return (
        Case(
            name=f"{_MODEL}, an epoch",
            shape=f"{_STEPS} steps of {_BATCH}x{_SIDE}x{_SIDE}x{_CHANNELS}",
            function=None,
            arguments=lambda: (),
            sides={
                OURS: lambda: _epochs(step, init, batch),
                BARE: lambda: step_run(step, init, batch, plain=False, times=_STEPS),
            },
            bytes=_STEPS * batch["image"].nbytes,
            images=_STEPS * _BATCH,
        ),
    )


def _epochs(step: Any, init: Any, batch: dict[str, np.ndarray]) -> Run:
    """Returns a run of an epoch as in `launch.train`, without input pipeline and evaluation.

    Its checkpoint is written during the next run, as in training during the next epoch.
    """
    run_step, state, sums, device_batch = compiled_parts(step, init, batch, plain=False)
    del sums
    sharding = replicated(data_mesh(jax.devices()[:1]))
    folder = tempfile.TemporaryDirectory(prefix="ferjax-bench-")
    record = Record(Path(folder.name), "stop", tensorboard=False)
    spent = zero_seconds()
    lap = lap_timer(spent)
    evaluation = Evaluation(np.zeros(2, int), np.eye(2), 1.0)

    def log(epoch: int, step: int, sums: Any, rate: float, scale: float) -> None:
        speed = {"seconds": lap(), "peak_bytes": peak_memory(jax.devices()[:1])}
        record.append(train_line(epoch, step, sums, scale, speed))

    def save(state: Any, host: HostState, accuracy: float | None) -> None:
        meta = {"epoch": int(state.step) // _STEPS, "best": host.best, "notes": []}
        record.save(state, meta, accuracy)

    functions = LoopFunctions(
        train_step=lambda state, sums, batch, scale: run_step(state, sums, batch),
        spent=spent,
        zero_sums=lambda: jax.device_put(zero_sums(), sharding),
        place=float,
        batches=itertools.repeat(device_batch),
        evaluate=lambda state: (evaluation, None),
        save=save,
        log_train=log,
        log_eval=lambda epoch, step, result, raw: None,
        interrupted=lambda: False,
        agree=lambda say: say(),
        watch=lambda epoch, accuracy: None,
    )
    current: Any = [state, HostState(functions.zero_sums())]
    del state  # donated
    plan = LoopPlan(1, 1, _STEPS, _BATCH, eval_every=1, save_seconds=600.0, progress=True)

    def run() -> Any:
        epoch = int(current[0].step) // _STEPS + 1
        epochs = replace(plan, last_epoch=epoch, all_epochs=epoch)
        current[:] = fit(current[0], current[1], epochs, functions)
        return jax.block_until_ready(current[0])

    def close() -> None:
        record.settle()
        record.close()
        folder.cleanup()

    # When the interpreter exits, it is too late for Orbax to finish a checkpoint.
    weakref.finalize(run, close)
    return run
