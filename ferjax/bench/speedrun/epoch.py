"""One epoch of the suite `speedrun` on the device: its plan, its steps, as one program or many."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.bench.speedrun.augmentation import cut_batch, mirrored_faces
from ferjax.bench.speedrun.recipes import SpeedRecipe
from ferjax.runtime.random_keys import stream_key
from ferjax.training.state import TrainState
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import EpochSums, train_step

# State and sums of a training.
Carry = tuple[TrainState, EpochSums]

# Platforms on which an epoch is one program. On a CPU a training step of fernet_s within a loop
# takes 13 times the processor time of one outside (jaxlib 0.10.2, with and without ferjax's
# compiler options).
_ONE_PROGRAM = ("gpu", "tpu")


class EpochPlan(NamedTuple):
    """What is drawn for an epoch.

    Attributes:
      order: int32 [steps, B], the faces of each step.
      offsets: int32 [N, crops, 2], top and left of each version's window in the padded face.
      mirrored: bool [N, crops], which versions are mirrored.
    """

    order: jax.Array
    offsets: jax.Array
    mirrored: jax.Array


def plan_epoch(
    epoch: jax.Array | int, shift: jax.Array | int, *, recipe: SpeedRecipe, count: int, seed: int
) -> EpochPlan:
    """Returns the plan of an epoch.

    Args:
      epoch: int32 scalar, from 0.
      shift: int32 scalar, largest shift in pixels.
      recipe: batch size, versions of each face and kind of flip. The versions are mirrored as if
        each were of an epoch of its own.
      count: number of faces.
      seed: the seed of the run.
    """
    order_key, offset_key = jax.random.split(stream_key(seed, "augment", epoch))
    steps = count // recipe.batch_size
    order = jax.random.permutation(order_key, count)[: steps * recipe.batch_size]
    flip_key = stream_key(seed, "init")
    mirrored = [
        mirrored_faces(recipe.flip, flip_key, count, epoch * recipe.crops + version)
        for version in range(recipe.crops)
    ]
    return EpochPlan(
        order.reshape(steps, recipe.batch_size).astype(jnp.int32),
        jax.random.randint(offset_key, (count, recipe.crops, 2), 0, 2 * shift + 1),
        jnp.stack(mirrored, axis=1),
    )


def planned_step(
    carry: Carry,
    padded: jax.Array,
    labels: jax.Array,
    plan: EpochPlan,
    number: jax.Array,
    *,
    settings: StepSettings,
) -> Carry:
    """Returns state and sums after step `number` of an epoch.

    Args:
      carry: state and sums before the step.
      padded: uint8 [N, S', S', 1], all faces.
      labels: int32 [N].
      plan: the plan of the epoch.
      number: int32 scalar, number of the step within the epoch.
      settings: the settings of the step; `settings.spec.size` is the side of the windows.
    """
    faces, crops = plan.order[number], plan.mirrored.shape[1]
    # The versions of a face are neighbours.
    rows = jnp.repeat(faces, crops)
    offsets, mirrored = plan.offsets[faces].reshape(-1, 2), plan.mirrored[faces].reshape(-1)
    batch = {
        "image": cut_batch(padded, rows, offsets, mirrored, settings.spec.size),
        "label": labels[rows],
        "mask": jnp.ones(len(rows), bool),
        "index": rows,
    }
    return train_step(*carry, batch, settings=settings)


def whole_epochs(platform: str) -> bool:
    """Returns whether an epoch is one program on a platform; else each step is a call."""
    return platform in _ONE_PROGRAM


def epoch_function(settings: StepSettings, platform: str) -> Callable[..., Carry]:
    """Returns the function to compile: a step, or a whole epoch (`whole_epochs`).

    Its arguments are those of `planned_step`; a whole epoch ignores `number`.
    """

    def step(carry: Carry, padded: Any, labels: Any, plan: EpochPlan, number: Any) -> Carry:
        return planned_step(carry, padded, labels, plan, number, settings=settings)

    def epoch(carry: Carry, padded: Any, labels: Any, plan: EpochPlan, number: Any) -> Carry:
        del number

        def body(carry: Carry, number: jax.Array) -> tuple[Carry, None]:
            return step(carry, padded, labels, plan, number), None

        return lax.scan(body, carry, jnp.arange(len(plan.order)))[0]

    return epoch if whole_epochs(platform) else step
