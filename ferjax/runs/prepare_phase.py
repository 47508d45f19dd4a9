"""Prepare a training phase: cached features, learning rate, and the program of the step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ferjax.data.pipeline.stacked_batches import stack_batches
from ferjax.runs.cached_features import PhaseInputs, prepare_phase_inputs
from ferjax.runs.compiled_step import step_program
from ferjax.runs.images_on_device import batch_axis, images_are_on_device, step_batch
from ferjax.runs.phase_optimizer_and_step import compiled_step, phase_rate, program_facts
from ferjax.runs.task import Task, train_batches
from ferjax.runtime.programs.stored_program import Program
from ferjax.runtime.sharding import batch_sharded, replicated
from ferjax.training.state import TrainState
from ferjax.training.train_step import EpochSums, zero_sums


@dataclass(frozen=True)
class PreparedPhase:
    """A phase that is ready to be trained.

    Attributes:
      inputs: model and splits, with cached features or without.
      rate: the learning rate as a function of the run's step.
      program_of: (state, sums, batch, scale) → the program of the training step.
    """

    inputs: PhaseInputs
    rate: Callable[[Any], Any]
    program_of: Callable[..., Program]


def prepare_phase(
    task: Task,
    index: int,
    first_epoch: int,
    state: TrainState,
    interrupted: Callable[[], bool] = lambda: False,
) -> PreparedPhase:
    """Returns a phase that is ready to be trained; features that it needs are computed here.

    Args:
      task: the task of the run.
      index: index of the phase, from 0.
      first_epoch: number of epochs before the phase.
      state: the state at any step of the phase; without a frozen branch its shapes are enough.
      interrupted: () → whether the user asked to stop.

    Raises:
      UserError: a store of features that cannot be read or written.
      KeyboardInterrupt: the user asked to stop; the features stored so far are kept.
    """
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    inputs = prepare_phase_inputs(task, index, variables, interrupted)
    steps_per_epoch = task.steps_per_epoch
    rate = phase_rate(task.config, index, first_epoch * steps_per_epoch, steps_per_epoch)
    facts = program_facts(task, index, first_epoch, inputs)
    step: Any = compiled_step(task, index, inputs, rate, state, facts)
    return PreparedPhase(inputs, rate, step_program(step, task.mesh, facts))


def prepare_first_phase_ahead(task: Task, state: TrainState) -> PreparedPhase:
    """Returns the first phase with its step compiled; no array is put on devices.

    Args:
      task: the task of the run; its first phase has no frozen branch.
      state: shapes and placement of the training state.
    """
    prepared = prepare_phase(task, 0, 0, state)
    train = prepared.inputs.train
    batches = train_batches(task.config, train)
    # One image shows shapes and dtypes; the loop reads the whole batch later.
    row, size = replace(batches, batch_size=batches.shard.count)[0], batches.batch_size
    axis = batch_axis(task)
    if task.steps_per_call > 1:
        row = stack_batches([row], task.steps_per_call)
    images = None
    if images_are_on_device(task.config, train, task.mesh):
        shape = (len(train), *train.shape)
        images = jax.ShapeDtypeStruct(shape, np.uint8, sharding=replicated(task.mesh))

    def put(rows: Mapping[str, Any]) -> dict[str, Any]:
        return {n: _abstract_rows(part, task, size, axis) for n, part in rows.items()}

    batch = step_batch(row, images, task, put)
    sums = jax.tree.map(lambda zero: _abstract_number(zero, task), zero_sums(task.dtype))
    program = prepared.program_of(state, sums, batch, _abstract_number(task.dtype(1), task))
    program.load()
    return replace(prepared, program_of=lambda *arguments: program)


def _abstract_rows(part: Any, task: Task, size: int, axis: int) -> jax.ShapeDtypeStruct:
    """Returns a part of a batch with `size` rows along `axis`: shape, dtype and placement."""
    if not part.ndim:
        return _abstract_number(part, task)
    shape = (*part.shape[:axis], size, *part.shape[axis + 1 :])
    return jax.ShapeDtypeStruct(shape, part.dtype, sharding=batch_sharded(task.mesh, axis))


def _abstract_number(number: Any, task: Task) -> jax.ShapeDtypeStruct:
    """Returns dtype and placement of a number on the devices."""
    return jax.ShapeDtypeStruct((), number.dtype, sharding=replicated(task.mesh))


def placed(task: Task, number: float) -> jax.Array:
    """Returns a number on all devices, in the dtype of the task."""
    return jax.device_put(task.dtype(number), replicated(task.mesh))


def place_zero_sums(task: Task) -> EpochSums:
    """Returns the sums at the start of an epoch, placed as the training step returns them."""
    # For jit, scalars on the host are another argument type; it would compile a second time.
    return jax.device_put(zero_sums(task.dtype), replicated(task.mesh))
