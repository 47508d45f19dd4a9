"""The training step of a workload, as a run compiles it, on whatever devices this process sees."""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.train_step_case import random_batch
from ferjax.bench.scaling.devices_and_workload import Workload
from ferjax.config.json_file import make_config
from ferjax.runs.cached_features import Known
from ferjax.runs.phase_setup import compiled_step, first_state, phase_rate
from ferjax.runs.task import Task, prepare_task, process_shard
from ferjax.runtime.sharding import Devices, batch_sharded, put_batch, replicated, split_over
from ferjax.training.state import TrainState
from ferjax.training.train_step import zero_sums


@dataclass(frozen=True)
class Program:
    """A training step that has not been compiled yet.

    Attributes:
      task: the run's.
      step: the jitted function (state, sums, batch) → (state, sums).
      function: the pure function beneath it.
      arguments: abstract, each with its placement.
    """

    task: Task
    step: Any
    function: Callable[..., Any]
    arguments: tuple[TrainState, Any, dict[str, Any]]


def train_program(workload: Workload, devices: Devices | None = None) -> Program:
    """Returns the step of a workload; nothing is computed.

    Args:
      workload: the run's flags.
      devices: to compute on; None for all of all processes.

    Raises:
      UserError: flags that do not go together, or devices that do not divide the batch.
    """
    flags = dataclasses.asdict(workload)
    task = prepare_task(make_config({**flags, "dataset": "synthetic", "progress": False}), devices)
    mesh, state = task.mesh, jax.eval_shape(lambda: first_state(task))
    whole, rows = replicated(mesh), batch_sharded(mesh)
    split = (
        split_over(state, mesh) if workload.shard_params else jax.tree.map(lambda _: whole, state)
    )
    state = jax.tree.map(_placed, state, split)
    batch = random_batch(task.spec.size, task.bundle.splits["train"].shape[2], workload.batch_size)
    sums = jax.tree.map(lambda leaf: _placed(leaf, whole), zero_sums())
    placed = {name: _placed(array, rows) for name, array in batch.items()}
    splits = task.bundle.splits
    known = Known(None, task.model, splits["train"], splits["val"], task.logits_of)
    rate = phase_rate(task.config, 0, 0, task.steps_per_epoch)
    step = compiled_step(task, 0, known, rate, state)
    return Program(task, step, inspect.unwrap(step), (state, sums, placed))


def first_arguments(program: Program) -> tuple[TrainState, Any, dict[str, jax.Array]]:
    """Returns a state of random weights, sums and a batch of random images, on the devices.

    Drawn by numpy: to compile the initialisers takes as long as to compile the step.
    """
    task, shape = program.task, program.arguments[2]["image"].shape
    batch = random_batch(side=shape[1], channels=shape[3], batch_size=shape[0])
    rows = process_shard().rows(shape[0])
    batch = {name: array[rows] for name, array in batch.items()}
    rng = np.random.default_rng(0)
    state = jax.tree_util.tree_map_with_path(functools.partial(_drawn, rng), program.arguments[0])
    sums = jax.device_put(zero_sums(), replicated(task.mesh))
    return state, sums, put_batch(batch, task.mesh)


def _drawn(rng: np.random.Generator, path: Any, like: Any) -> jax.Array:
    """Returns an array of a state on its devices: as an initialiser would make it, or nearly."""
    names = [str(getattr(key, "key", getattr(key, "name", ""))) for key in path]
    ones = names[-1] in ("scale", "var") and names[0] != "opt_state"
    values = np.full(like.shape, ones, like.dtype)
    if names[-1] == "kernel" and names[0] == "params":
        drawn = rng.standard_normal(like.shape, np.float32)
        values = drawn * np.sqrt(2 / math.prod(like.shape[:-1]), dtype=np.float32)
    return jax.make_array_from_callback(like.shape, like.sharding, lambda rows: values[rows])


def _placed(leaf: Any, placement: Any) -> jax.ShapeDtypeStruct:
    dtype = np.dtype(leaf.dtype)
    return jax.ShapeDtypeStruct(leaf.shape, dtype, sharding=placement)
