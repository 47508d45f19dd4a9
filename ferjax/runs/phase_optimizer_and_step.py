"""Optimizer, learning rate, initial state and jitted training step of a phase."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax

from ferjax.config.field_combinations import DECAYS
from ferjax.config.phases import Phase, phases_of
from ferjax.config.train_config import TrainConfig
from ferjax.images.augment import find_augmentation
from ferjax.models.registry import model_entry
from ferjax.runs.cached_features import PhaseInputs
from ferjax.runs.task import Task
from ferjax.runtime.programs.compiler_options import compiled
from ferjax.runtime.programs.stored_program import named_for_storing
from ferjax.runtime.sharding import replicated
from ferjax.runtime.variable_tree import split_tree
from ferjax.specs import spec_to_json
from ferjax.training.losses import CLASS_WEIGHTS, find_loss
from ferjax.training.optimizers.learning_rate_schedules import SCHEDULES, make_schedule
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.optimizers.parameter_groups import optimizer_state_labels, rate_factors
from ferjax.training.several_steps import several_train_steps
from ferjax.training.state import DuringCompilation, TrainState, create_state
from ferjax.training.step_settings import StepSettings, Teacher
from ferjax.training.train_step import EpochSums, train_step


def phase_optimizer(task: Task, index: int) -> optax.GradientTransformationExtraArgs:
    """Returns the optimizer of a phase, with state for the parameters that the phase trains.

    Args:
      task: the task of the run.
      index: index of the phase, from 0.
    """
    config, trained = task.config, split_tree(task.shapes, task.frozen[index])[0]
    return make_optimizer(
        config.optimizer,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        labels=optimizer_state_labels(task.frozen, index, trained),
    )


def first_state(task: Task, during_compilation: DuringCompilation | None = None) -> TrainState:
    """Returns the state that a run starts with; `during_compilation` as `create_state` takes it."""
    return create_state(
        task.model,
        phase_optimizer(task, 0),
        task.spec,
        task.config.seed,
        task.mesh,
        task.dtype,
        frozen=task.frozen[0],
        initial_values=task.initial_weights and task.initial_weights.variables,
        ema=task.config.ema is not None,
        split=task.config.shard_params,
        during_compilation=during_compilation,
        program_facts=program_facts(task, 0, 0),
    )


def phase_rate(
    config: TrainConfig, index: int, first_step: int, steps_per_epoch: int
) -> Callable[[Any], Any]:
    """Returns the learning rate as a function of the run's step, in one phase.

    Args:
      config: the config of the run.
      index: index of the phase, from 0.
      first_step: the run's step at which the phase began.
      steps_per_epoch: whole batches in the training split.
    """
    phase = phases_of(config)[index]
    schedule = make_schedule(
        phase.schedule,
        phase.learning_rate,
        phase.epochs * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        **_decay(config, phase.schedule),
    )
    return lambda step: schedule(step - first_step)


def _decay(config: TrainConfig, schedule: str) -> dict[str, float | None]:
    """Returns both decay flags; a flag that the schedule does not use is None."""
    return {
        flag: getattr(config, flag) if schedule in takers else None
        for flag, takers in DECAYS.items()
    }


def plateau_of(config: TrainConfig, phase: Phase) -> tuple[int, float] | None:
    """Returns (patience in evaluations, factor) of a plateau schedule; None for other schedules."""
    if phase.schedule != "plateau":
        return None
    entry = SCHEDULES["plateau"]
    patience, factor = (
        getattr(config, field) or getattr(entry, field) for field in ("decay_epochs", "decay_rate")
    )
    return round(patience), factor


def program_facts(
    task: Task, index: int, first_epoch: int, inputs: PhaseInputs | None = None
) -> dict[str, Any]:
    """Returns JSON values that, together with the arguments, determine the programs of a phase.

    Args:
      task: the task of the run.
      index: index of the phase, from 0.
      first_epoch: number of epochs before the phase.
      inputs: model and splits of the phase; None for the program of the initial state.
    """
    config, train = task.config, task.bundle.splits["train"]
    networks = [
        repr(inputs.model if inputs else task.model),
        *(repr(t.model) for t in task.teachers),
    ]
    settings = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)
                if not f.metadata["free"] or f.name == "shard_params"}  # fmt: skip
    return {
        "settings": settings,
        "phase": [index, first_epoch, task.steps_per_epoch],
        "branch": inputs.branch if inputs else None,
        "networks": networks,
        "specs": [spec_to_json(spec) for spec in (task.spec, *(t.spec for t in task.teachers))],
        "frozen": task.frozen,
        "images_by_class": np.bincount(train.labels, minlength=len(task.bundle.classes)).tolist(),
    }


def compiled_step(
    task: Task,
    index: int,
    inputs: PhaseInputs,
    rate: Callable[[Any], Any],
    state: TrainState,
    facts: Mapping[str, Any] | None = None,
) -> Callable[[TrainState, EpochSums, Any, Any], tuple[TrainState, EpochSums]]:
    """Returns the training step of a phase, or several, compiled once for the whole phase.

    Args:
      task: the task of the run.
      index: index of the phase, from 0.
      inputs: model and splits of the phase, with cached features or without.
      rate: from `phase_rate`.
      state: a state of the phase; the step returns states with the same placement.
      facts: from `program_facts`, if the program of the step is stored.
    """
    config = task.config
    labels = task.bundle.splits["train"].labels
    counts = np.bincount(labels, minlength=len(task.bundle.classes))
    factors = rate_factors(
        task.shapes,
        model_entry(config.model).layers,
        backbone_factor=config.backbone_factor,
        layer_decay=config.layer_decay,
    )
    settings = StepSettings(
        model=inputs.model,
        optimizer=phase_optimizer(task, index),
        rate=rate,
        spec=task.spec,
        seed=config.seed,
        augment=find_augmentation(config.augment),
        loss=find_loss(config.loss),
        label_smoothing=config.label_smoothing,
        class_weights=CLASS_WEIGHTS[config.class_weights](counts),
        frozen=task.frozen[index],
        stored_branch=inputs.branch,
        rate_factors=factors and split_tree(factors, task.frozen[index])[0],
        accumulate=config.accumulate,
        views=config.views,
        teachers=tuple(Teacher(run.model, run.spec) for run in task.teachers),
        teacher_weight=config.teacher_weight,
        ema=config.ema,
    )
    function = several_train_steps if task.steps_per_call > 1 else train_step
    step = functools.partial(function, settings=settings)
    step = named_for_storing(step, "train_step", facts)
    placement = jax.tree.map(lambda leaf: leaf.sharding, state), replicated(task.mesh)
    return compiled(step, task.mesh, donate_argnums=(0, 1), out_shardings=placement)
