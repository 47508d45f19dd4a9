"""Suite `loop`: an epoch through the training loop beside the same steps in a bare one."""

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
from ferjax.runtime.machine_limits import peak_memory
from ferjax.runtime.sharding import data_mesh, replicated
from ferjax.training.loop import fit
from ferjax.training.loop_interface import HostState, Parts, Plan
from ferjax.training.metrics import Evaluation
from ferjax.training.run_directory.disk_errors import Record
from ferjax.training.run_directory.metrics_jsonl import train_line
from ferjax.training.train_step import zero_sums
from ferjax.training.wall_time import laps, nothing_spent

# P4's smallest network, whose steps are the shortest: what is around them weighs most.
_MODEL, _SIDE, _CHANNELS, _BATCH, _OPTIMIZER = "cnn3", 48, 1, 128, "adam"
# FER2013 has 224; in fewer an epoch's line and checkpoint weigh more.
_STEPS = 30


def cases() -> tuple[Case, ...]:
    """Returns the suite."""
    step, begin = step_parts(_MODEL, _SIDE, _CHANNELS, _OPTIMIZER)
    batch = random_batch(_SIDE, _CHANNELS, _BATCH)
    return (
        Case(
            name=f"{_MODEL}, an epoch",
            shape=f"{_STEPS} steps of {_BATCH}x{_SIDE}x{_SIDE}x{_CHANNELS}",
            function=None,
            arguments=lambda: (),
            sides={
                OURS: lambda: _epochs(step, begin, batch),
                BARE: lambda: step_run(step, begin, batch, plain=False, times=_STEPS),
            },
            bytes=_STEPS * batch["image"].nbytes,
            images=_STEPS * _BATCH,
        ),
    )


def _epochs(step: Any, begin: Any, batch: dict[str, np.ndarray]) -> Run:
    """Returns a run of an epoch as `launch.train` has it, but for data and evaluation.

    Its checkpoint goes to disk during the run that follows, as during an epoch.
    """
    run_step, state, sums, placed = compiled_parts(step, begin, batch, plain=False)
    del sums
    place = replicated(data_mesh(jax.devices()[:1]))
    folder = tempfile.TemporaryDirectory(prefix="ferjax-bench-")
    record = Record(Path(folder.name), "stop", tensorboard=False)
    spent = nothing_spent()
    lap = laps(spent)
    seen = Evaluation(np.zeros(2, int), np.eye(2), 1.0)

    def log(epoch: int, step: int, sums: Any, rate: float, scale: float) -> None:
        speed = {"seconds": lap(), "peak_bytes": peak_memory(jax.devices()[:1])}
        record.append(train_line(epoch, step, sums, scale, speed))

    def save(state: Any, host: HostState, accuracy: float | None) -> None:
        meta = {"epoch": int(state.step) // _STEPS, "best": host.best, "notes": []}
        record.save(state, meta, accuracy)

    parts = Parts(
        train_step=lambda state, sums, batch, scale: run_step(state, sums, batch),
        spent=spent,
        zero_sums=lambda: jax.device_put(zero_sums(), place),
        place=float,
        batches=itertools.repeat(placed),
        evaluate=lambda state: (seen, None),
        save=save,
        log_train=log,
        log_eval=lambda epoch, step, result, raw: None,
        interrupted=lambda step: False,
        agree=lambda say: say(),
        watch=lambda epoch, accuracy: None,
    )
    held: Any = [state, HostState(parts.zero_sums())]
    del state  # donated
    plan = Plan(1, 1, _STEPS, _BATCH, eval_every=1, save_seconds=600.0, progress=True)

    def run() -> Any:
        epoch = int(held[0].step) // _STEPS + 1
        held[:] = fit(held[0], held[1], replace(plan, last=epoch, of=epoch), parts)
        return jax.block_until_ready(held[0])

    def close() -> None:
        record.settle()
        record.close()
        folder.cleanup()

    # At the interpreter's end Orbax can finish nothing any more.
    weakref.finalize(run, close)
    return run
