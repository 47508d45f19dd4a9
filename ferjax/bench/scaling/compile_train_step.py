"""The training step of a run, ready to compile on this process's devices, with random inputs."""

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
from ferjax.bench.scaling.scaling_cases import Workload
from ferjax.config.json_file import make_config
from ferjax.runs.cached_features import PhaseInputs
from ferjax.runs.phase_optimizer_and_step import compiled_step, first_state, phase_rate
from ferjax.runs.split_evaluator import process_shard
from ferjax.runs.task import Task, prepare_task
from ferjax.runtime.sharding import Devices, batch_sharded, put_batch, replicated, split_over
from ferjax.training.state import TrainState
from ferjax.training.train_step import zero_sums


@dataclass(frozen=True)
class UncompiledStep:
    """A training step that has not been compiled yet.

    Attributes:
      task: the task of the run.
      step: the jitted function (state, sums, batch) → (state, sums).
      function: the pure function that `step` wraps.
      arguments: abstract arguments with their shardings.
    """

    task: Task
    step: Any
    function: Callable[..., Any]
    arguments: tuple[TrainState, Any, dict[str, Any]]


def uncompiled_step(workload: Workload, devices: Devices | None = None) -> UncompiledStep:
    """Returns the training step of a workload; computes nothing.

    Args:
      workload: the flags of the run.
      devices: the devices of the step; None for all devices of all processes.

    Raises:
      UserError: flags that contradict each other, or a batch that the devices do not divide.
    """
    flags = dataclasses.asdict(workload)
    task = prepare_task(make_config({**flags, "dataset": "synthetic", "progress": False}), devices)
    mesh, state = task.mesh, jax.eval_shape(lambda: first_state(task))
    replicate, split_rows = replicated(mesh), batch_sharded(mesh)
    if workload.shard_params:
        state_shardings = split_over(state, mesh)
    else:
        state_shardings = jax.tree.map(lambda _: replicate, state)
    state = jax.tree.map(_with_sharding, state, state_shardings)
    batch = random_batch(task.spec.size, task.bundle.splits["train"].shape[2], workload.batch_size)
    sums = jax.tree.map(lambda leaf: _with_sharding(leaf, replicate), zero_sums())
    abstract_batch = {name: _with_sharding(array, split_rows) for name, array in batch.items()}
    splits = task.bundle.splits
    inputs = PhaseInputs(None, task.model, splits["train"], splits["val"], task.logits_of)
    rate = phase_rate(task.config, 0, 0, task.steps_per_epoch)
    step = compiled_step(task, 0, inputs, rate, state)
    return UncompiledStep(task, step, inspect.unwrap(step), (state, sums, abstract_batch))


def first_arguments(program: UncompiledStep) -> tuple[TrainState, Any, dict[str, jax.Array]]:
    """Returns a state with random weights, zero sums and a batch of random images, on the devices.

    NumPy draws them: compiling the initialisers would take as long as compiling the step.
    """
    task, shape = program.task, program.arguments[2]["image"].shape
    batch = random_batch(side=shape[1], channels=shape[3], batch_size=shape[0])
    rows = process_shard().rows(shape[0])
    batch = {name: array[rows] for name, array in batch.items()}
    draw = functools.partial(_draw_leaf, np.random.default_rng(0))
    state = jax.tree_util.tree_map_with_path(draw, program.arguments[0])
    sums = jax.device_put(zero_sums(), replicated(task.mesh))
    return state, sums, put_batch(batch, task.mesh)


def _draw_leaf(rng: np.random.Generator, path: Any, like: Any) -> jax.Array:
    """Returns an array of the state on its devices, with values like those of an initialiser."""
    names = [str(getattr(key, "key", getattr(key, "name", ""))) for key in path]
    ones = names[-1] in ("scale", "var") and names[0] != "opt_state"
    values = np.full(like.shape, ones, like.dtype)
    if names[-1] == "kernel" and names[0] == "params":
        drawn = rng.standard_normal(like.shape, np.float32)
        values = drawn * np.sqrt(2 / math.prod(like.shape[:-1]), dtype=np.float32)
    return jax.make_array_from_callback(like.shape, like.sharding, lambda rows: values[rows])


def _with_sharding(leaf: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    dtype = np.dtype(leaf.dtype)
    return jax.ShapeDtypeStruct(leaf.shape, dtype, sharding=sharding)
