"""Training phases of a run: each has its epochs, learning rate, schedule and frozen parameters."""

from dataclasses import dataclass
from typing import Any

from ferjax.config.fields import values_of
from ferjax.errors import UserError

_FIELDS = ("epochs", "learning_rate", "schedule", "freeze")


@dataclass(frozen=True)
class Phase:
    """One phase of training.

    Attributes:
      epochs: the largest number of epochs.
      learning_rate: the peak learning rate.
      schedule: name of the learning rate schedule within this phase.
      freeze: `none`, `all_but_head`, or a regular expression for parameter paths.
    """

    epochs: int
    learning_rate: float
    schedule: str
    freeze: str


def phases_of(config: Any) -> tuple[Phase, ...]:
    """Returns the phases of a `TrainConfig`, at least one.

    A field with one value has this value in every phase.

    Raises:
      UserError: two fields have lists of different lengths.
    """
    values = {name: values_of(getattr(config, name)) for name in _FIELDS}
    count = max(map(len, values.values()))
    for name, phase_values in values.items():
        if len(phase_values) not in (1, count):
            longest = next(other for other in _FIELDS if len(values[other]) == count)
            raise UserError(
                f"--{name}={','.join(map(str, phase_values))} has {len(phase_values)} values and"
                f" --{longest} has {count}: give one value for all phases, or {count} values, one"
                " for each phase."
            )
    columns = [phase_values * (count // len(phase_values)) for phase_values in values.values()]
    return tuple(Phase(*row) for row in zip(*columns, strict=True))


def total_epochs(config: Any) -> int:
    """Returns the sum of the epochs of all phases of a `TrainConfig`."""
    return sum(phase.epochs for phase in phases_of(config))
