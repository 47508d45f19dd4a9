"""The phases of a run: stretches of epochs with a learning rate and a trained set of their own."""

from dataclasses import dataclass
from typing import Any

from ferjax.config.fields import values_of
from ferjax.errors import UserError

_FIELDS = ("epochs", "learning_rate", "schedule", "freeze")


@dataclass(frozen=True)
class Phase:
    """One phase of training.

    Attributes:
      epochs: how many, at most.
      learning_rate: its peak.
      schedule: a name of `train.schedules.SCHEDULES`, over this phase alone.
      freeze: `none`, `all_but_head`, or a regular expression on parameter paths.
    """

    epochs: int
    learning_rate: float
    schedule: str
    freeze: str


def phases_of(config: Any) -> tuple[Phase, ...]:
    """Returns the phases of a `TrainConfig`, at least one.

    A field with one value has it in every phase.

    Raises:
      UserError: two fields whose lists differ in length.
    """
    values = {name: values_of(getattr(config, name)) for name in _FIELDS}
    count = max(map(len, values.values()))
    for name, found in values.items():
        if len(found) not in (1, count):
            longest = next(other for other in _FIELDS if len(values[other]) == count)
            raise UserError(
                f"--{name}={','.join(map(str, found))} has {len(found)} values and --{longest} has"
                f" {count}: give one value for all phases, or {count}, one a phase."
            )
    columns = [found * (count // len(found)) for found in values.values()]
    return tuple(Phase(*row) for row in zip(*columns, strict=True))


def total_epochs(config: Any) -> int:
    """Returns the epochs of all phases of a `TrainConfig` together."""
    return sum(phase.epochs for phase in phases_of(config))
