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
      decay_rate: the default of `--decay_rate`, or None if the schedule does not use the flag.
      decay_epochs: the default of `--decay_epochs`, or None if the schedule does not use the flag.
    """

    build: Callable[[float, int, float, float], Callable[[Any], Any]]
    decay_rate: float | None = None
    decay_epochs: float | None = None


def _constant(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return lambda step: peak


def _step(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    # Integers, because XLA computes the division of a float by a constant as a product, and the
    # rounded result may be just below a whole number.
    whole_steps = max(round(period), 1)
    return lambda step: peak * rate ** (step // whole_steps)


def _exponential(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return lambda step: peak * rate ** (step / period)


def _inverse_time(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return lambda step: peak / (1 + rate * step)


def _cosine(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return optax.cosine_decay_schedule(peak, steps)


def _cosine_restarts(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    whole_steps = max(round(period), 1)
    cycle = optax.cosine_decay_schedule(peak, whole_steps)
    return lambda step: cycle(step % whole_steps)


def _one_cycle(peak: float, steps: int, rate: float, period: float) -> Callable[[Any], Any]:
    return optax.cosine_onecycle_schedule(steps, peak)


SCHEDULES: dict[str, ScheduleEntry] = {
    "constant": ScheduleEntry(_constant),
    "step": ScheduleEntry(_step, decay_rate=0.1, decay_epochs=30),
    "exponential": ScheduleEntry(_exponential, decay_rate=0.95, decay_epochs=1),
    # Keras's legacy `decay`, which the paper P2 states.
    "inverse_time": ScheduleEntry(_inverse_time, decay_rate=1e-6),
    "cosine": ScheduleEntry(_cosine),
    "one_cycle": ScheduleEntry(_one_cycle),
    # Constant within an epoch; `plateau.after_evaluation` lowers the rate between epochs.
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
      name: `constant`; `step`, the peak times `decay_rate` for every full `decay_epochs`, which
        are rounded to whole steps; `exponential`, the same without stairs; `inverse_time`, the
        peak divided by 1 + `decay_rate` * step; `cosine`, down to 0 at the last step;
        `cosine_restarts`, the same in every cycle of `decay_epochs` (Loshchilov and Hutter, SGDR,
        equation 5, cycles of equal length); `one_cycle` (Smith and Topin), up from a 25th of the
        peak in the first 30 % of the phase, then down to 1/10,000 of the initial rate; `plateau`,
        constant here, because the host lowers the rate.
      peak: the highest rate.
      steps: number of steps of the whole phase.
      steps_per_epoch: number of optimizer steps of an epoch.
      warmup_steps: number of steps in which the rate rises linearly from 0 to the peak, before the
        schedule begins; `one_cycle` has its own warm-up.
      decay_rate: None for the default of the schedule.
      decay_epochs: None for the default of the schedule.

    Raises:
      UserError: an unknown name, or a decay for a schedule that does not use it.
    """
    if name not in SCHEDULES:
        raise unknown_name("--schedule", name, SCHEDULES)
    rates = {each: entry.decay_rate for each, entry in SCHEDULES.items()}
    epochs = {each: entry.decay_epochs for each, entry in SCHEDULES.items()}
    rate = _value_or_default(name, "decay_rate", decay_rate, rates)
    period = _value_or_default(name, "decay_epochs", decay_epochs, epochs) * steps_per_epoch
    schedule = SCHEDULES[name].build(peak, max(steps - warmup_steps, 1), rate, period)
    if warmup_steps:
        warmup = optax.linear_schedule(0.0, peak, warmup_steps)
        schedule = optax.join_schedules([warmup, schedule], [warmup_steps])
    return lambda step: jnp.asarray(schedule(step), jnp.float32)


def _value_or_default(
    name: str, flag: str, value: float | None, defaults: Mapping[str, float | None]
) -> float:
    """Returns the value, for None the default of schedule `name`, or 0 if it has no default."""
    if value is None:
        return defaults[name] or 0.0
    if defaults[name] is None:
        takers = ", ".join(known for known, default in defaults.items() if default is not None)
        raise UserError(
            f"--{flag}={value}: --schedule={name} has none ({takers} do). Leave the flag out."
        )
    return value
