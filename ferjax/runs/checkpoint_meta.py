"""Checkpoint meta: the JSON values saved beside the training state, and their restoration."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import jax
import numpy as np

import ferjax
from ferjax.config.format_versions import FORMAT, KEY
from ferjax.report.environment import describe_process
from ferjax.runs.pretrained_values import initial_weights_to_json
from ferjax.runs.task import Task
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import spec_to_json
from ferjax.training.loop_interface import HostState
from ferjax.training.optimizers.plateau import Plateau
from ferjax.training.state import TrainState
from ferjax.training.train_step import EpochSums
from ferjax.training.wall_time import zero_seconds


def host_state_from_meta(meta: Mapping[str, Any], like: EpochSums) -> HostState:
    """Returns the host-side state in a checkpoint's meta, with sums typed and placed as `like`."""
    sums = (
        jax.device_put(np.asarray(value, zero.dtype), zero.sharding)
        for value, zero in zip(meta["sums"], like, strict=True)
    )
    return HostState(
        EpochSums(*sums),
        best=meta["best"],
        seconds=meta["seconds"],
        spent=zero_seconds(meta["spent"]),
        starts=tuple(meta["starts"]),
        waited=tuple(meta["waited"]),
        plateau=Plateau(**meta["plateau"]),
        retries=meta["retries"],
        notes=tuple(meta["notes"]),
    )


def checkpoint_meta(
    task: Task, state: TrainState, host: HostState, program: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the JSON meta of a checkpoint: description of the network, and host-side state.

    Args:
      task: the task of the run.
      state: the training state that is saved.
      host: the host-side state that is saved with it.
      program: facts about the compiled step and the machine, from `compiled_step`.
    """
    return {
        KEY: FORMAT,
        "ferjax": ferjax.__version__,
        "model": task.config.model,
        "fields": task.fields,
        "classes": list(task.bundle.classes),
        "spec": spec_to_json(task.spec),
        "start": task.initial_weights and initial_weights_to_json(task.initial_weights),
        "epoch": int(state.step) // task.steps_per_epoch,
        "averaged": sorted(flatten(state.ema or {})),
        "best": host.best,
        "sums": [np.asarray(value).item() for value in host.sums],
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": host.seconds,
        "spent": dict(host.spent),
        "program": dict(program),
        "environment": describe_process(list(task.mesh.devices.flat)),
        "starts": list(host.starts),
        "waited": list(host.waited),
        "plateau": asdict(host.plateau),
        "retries": host.retries,
        "notes": list(host.notes),
    }
