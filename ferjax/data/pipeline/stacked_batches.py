"""Batches of several training steps, stacked for one call of a program."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np


def stack_batches(batches: Sequence[Mapping[str, Any]], length: int) -> dict[str, Any]:
    """Returns up to `length` batches as one, with an axis of that length in front of each array.

    The last batch fills the places that are left. `steps` int32 scalar is the number of batches.
    """
    filled = [*batches, *[batches[-1]] * (length - len(batches))]
    stacked: dict[str, Any] = {
        name: np.stack([batch[name] for batch in filled]) for name in batches[0]
    }
    return {**stacked, "steps": np.asarray(len(batches), np.int32)}


def stacked_by_call(
    batches: Iterator[Mapping[str, Any]], length: int, steps_per_epoch: int, start: int
) -> Iterator[dict[str, Any]]:
    """Yields stacks of `length` batches; a stack ends with its epoch and then has fewer.

    Args:
      batches: the batches of the steps from `start` on.
      length: steps of a call.
      steps_per_epoch: whole batches in the training split.
      start: number of the first step, from 0 at the start of the run.
    """
    step = start
    while group := list(islice(batches, min(length, steps_per_epoch - step % steps_per_epoch))):
        yield stack_batches(group, length)
        step += len(group)
