"""Learning-rate schedules by name, as functions of the step within a phase."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import optax

from ferjax.errors import UserError, unknown_name


@dataclass(frozen=True)
class ScheduleEntry:
    """A registered schedule.

    Attributes:
      build: (peak, steps, decay rate, steps between two decays) → rate as a function of the step.
      decay_rate: the default of `--decay_rate`, or None: it has none.
      decay_epochs: the default of `--decay_epochs`, or None: it has none.
    """

    build: Callable[[float, int, float, float], Callable[[Any], Any]]
    decay_rate: float | None = None
    decay_epochs: float | None = None


def _constant(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return lambda step: peak


def _step(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    # Whole numbers: XLA divides floats by a constant as a product, which may fall short of a whole.
    whole = max(round(period), 1)
    return lambda step: peak * rate ** (step // whole)


def _exponential(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return lambda step: peak * rate ** (step / period)


def _inverse_time(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return lambda step: peak / (1 + rate * step)


def _cosine(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return optax.cosine_decay_schedule(peak, steps)


def _cosine_restarts(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    whole = max(round(period), 1)
    cycle = optax.cosine_decay_schedule(peak, whole)
    return lambda step: cycle(step % whole)


def _one_cycle(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return optax.cosine_onecycle_schedule(steps, peak)


SCHEDULES: dict[str, ScheduleEntry] = {
    "constant": ScheduleEntry(_constant),
    "step": ScheduleEntry(_step, decay_rate=0.1, decay_epochs=30),
    "exponential": ScheduleEntry(_exponential, decay_rate=0.95, decay_epochs=1),
    # Keras's legacy `decay`, which P2 prints.
    "inverse_time": ScheduleEntry(_inverse_time, decay_rate=1e-6),
    "cosine": ScheduleEntry(_cosine),
    "one_cycle": ScheduleEntry(_one_cycle),
    # Lowered between epochs, by `plateau.after_evaluation`.
    "plateau": ScheduleEntry(_constant, decay_rate=0.1, decay_epochs=10),
    "cosine_restarts": ScheduleEntry(_cosine_restarts, decay_epochs=10),
}


def make_schedule(
    name: str,
    peak: float,
    steps: int,
    *,
    steps_per_epoch: int = 1,
    warmup_steps: int = 0,
    decay_rate: float | None = None,
    decay_epochs: float | None = None,
) -> optax.Schedule:
    """Returns the learning rate, float32, as a function of the step within a phase, from 0.

    Args:
      name: `constant`; `step`, the peak times `decay_rate` for every full `decay_epochs`, these
        rounded to whole steps; `exponential`, the same without the stairs; `inverse_time`, the
        peak over 1 + `decay_rate` * step; `cosine`, down to 0 at the last step;
        `cosine_restarts`, the same in every cycle of `decay_epochs`, as Loshchilov and Hutter
        (SGDR, equation 5, cycles of equal length); `one_cycle`, as
        Smith and Topin: up from a 25th of the peak in the first 30 % of the phase, then down to
        1/10,000 of the start; `plateau`, constant here, as the host lowers it.
      peak: the highest rate.
      steps: of the whole phase.
      steps_per_epoch: optimizer steps.
      warmup_steps: linear from 0 to the peak before the schedule proper; `one_cycle` has its own.
      decay_rate: None for the schedule's own.
      decay_epochs: None for the schedule's own.

    Raises:
      UserError: an unknown name, or a decay given to a schedule that has none.
    """
    if name not in SCHEDULES:
        raise unknown_name("--schedule", name, SCHEDULES)
    rates = {known: entry.decay_rate for known, entry in SCHEDULES.items()}
    epochs = {known: entry.decay_epochs for known, entry in SCHEDULES.items()}
    rate = _given(name, "decay_rate", decay_rate, rates)
    period = _given(name, "decay_epochs", decay_epochs, epochs) * steps_per_epoch
    schedule = SCHEDULES[name].build(peak, max(steps - warmup_steps, 1), rate, period)
    if warmup_steps:
        warmup = optax.linear_schedule(0.0, peak, warmup_steps)
        schedule = optax.join_schedules([warmup, schedule], [warmup_steps])
    return lambda step: jnp.asarray(schedule(step), jnp.float32)


def _given(
    name: str, flag: str, value: float | None, defaults: Mapping[str, float | None]
) -> float:
    """Returns the value, schedule `name`'s own for None, or 0 where it takes no such flag."""
    if value is None:
        return defaults[name] or 0.0
    if defaults[name] is None:
        takers = ", ".join(known for known, default in defaults.items() if default is not None)
        raise UserError(
            f"--{flag}={value}: --schedule={name} has none ({takers} do). Leave the flag out."
        )
    return value
