"""Teachers of a run (`--teacher`): trained networks whose probabilities become targets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
from jax.sharding import Mesh

from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.runs.finished_runs.load_network import load_network, network_config
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.runtime.sharding import replicated


def load_teachers(config: TrainConfig, classes: Sequence[str], mesh: Mesh) -> tuple[LoadedRun, ...]:
    """Returns the teachers of a run with their selected parameters, placed on all devices.

    Args:
      config: the config of the run.
      classes: names of the run's logits.
      mesh: the devices of the run.

    Raises:
      UserError: no such run, or one with other classes.
    """
    teachers = []
    for name in config.teacher:
        run = load_network(name)
        if run.classes != tuple(classes):
            raise UserError(
                f"--teacher={name}: its classes are {', '.join(run.classes)}; this run learns"
                f" {', '.join(classes)}. Give a teacher with the same classes."
            )
        variables: Any = jax.device_put(run.variables, replicated(mesh))
        teachers.append(replace(run, variables=variables))
    return tuple(teachers)


def teacher_notes(
    config: TrainConfig, teachers: Sequence[LoadedRun], recorded: Sequence[str] | None
) -> tuple[str, ...]:
    """Returns a note for each teacher: network, data, epoch, and its accuracy on val.

    Args:
      config: the config of the run.
      teachers: the present teachers, from `load_teachers`.
      recorded: notes in the run's latest checkpoint, which contain the notes on the teachers at
        the start of the run; None if there is no checkpoint yet.

    Raises:
      UserError: the teachers are not those that the run began with.
    """
    notes = []
    for name, run in zip(config.teacher, teachers, strict=True):
        teacher_config, accuracy = network_config(name), run.meta["best"]["accuracy"]
        notes.append(
            f"teacher {name}: {teacher_config.model} trained on {teacher_config.dataset}, epoch"
            f" {run.epoch}, val accuracy {100 * accuracy:.2f} %; of each target"
            f" {config.teacher_weight:g} is the teachers' mean probability for the same augmented"
            " image"
        )
    changed_notes = [note for note in notes if recorded is not None and note not in recorded]
    if changed_notes:
        old_notes = [note for note in recorded or () if note.startswith("teacher ")]
        raise UserError(
            f"--teacher: the run began with {'; '.join(old_notes)}; now it is"
            f" {'; '.join(changed_notes)}. Give the teachers as they were, or begin anew in another"
            " folder."
        )
    return tuple(notes)


def with_teachers(batch: Mapping[str, Any], teachers: Sequence[LoadedRun]) -> dict[str, Any]:
    """Returns a batch with the teachers' variables, as the training step takes them.

    They are arguments of the step and not constants. With constants, the compiled program and its
    entry in the compile cache would contain all their values.
    """
    if not teachers:
        return dict(batch)
    return {**batch, "teachers": tuple(run.variables for run in teachers)}
