"""Several training steps in one call of a program, so that the host starts fewer programs."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ferjax.training.state import TrainState
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import EpochSums, train_step

# Parts of a batch that all steps of a call share.
_SHARED = ("images", "teachers")


def steps_per_call(most: int, steps_per_epoch: int) -> int:
    """Returns the number of steps of a call, at most `most` and more than half of it.

    A call ends with its epoch, so the last call of an epoch may compute steps that are thrown away.
    Their number is the least possible.
    """
    most = min(most, steps_per_epoch)
    candidates = range(most, most // 2, -1)
    return min(candidates, key=lambda steps: -steps_per_epoch % steps)


def several_train_steps(
    state: TrainState,
    sums: EpochSums,
    batches: Mapping[str, Any],
    scale: jax.Array | float = 1.0,
    *,
    settings: StepSettings,
) -> tuple[TrainState, EpochSums]:
    """Returns state and sums after up to C training steps; a pure function, as `train_step`.

    On a CPU a step inside a loop is many times slower than a step by itself.

    Args:
      state: before the first of the steps.
      sums: the epoch's sums before it.
      batches: the entries of a batch of `train_step`, each with an axis of length C in front; only
        `images` and `teachers` have none, because all steps share them. `steps` int32 scalar, how
        many of the C steps count. The others are computed and thrown away: a loop whose length the
        device decides would make the host wait for each step.
      scale: as in `train_step`.
      settings: as in `train_step`.
    """
    shared = {name: value for name, value in batches.items() if name in _SHARED}
    stacked = {n: value for n, value in batches.items() if n not in shared and n != "steps"}

    def one_step(before: Any, numbered: Any) -> tuple[Any, None]:
        number, batch = numbered
        state, sums = before
        after = train_step(state, sums, {**shared, **batch}, scale, settings=settings)
        counts = number < batches["steps"]
        return jax.tree.map(lambda new, old: jnp.where(counts, new, old), after, before), None

    numbers = jnp.arange(stacked["label"].shape[0])
    (state, sums), _ = jax.lax.scan(one_step, (state, sums), (numbers, stacked))
    return state, sums
