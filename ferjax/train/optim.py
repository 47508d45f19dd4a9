"""Optimizers and learning-rate schedules, from optax."""

from typing import Any

import jax
import optax


def make_schedule(name: str, peak: float, steps: int, *, warmup_steps: int = 0) -> optax.Schedule:
    """Returns the learning rate as a function of the step.

    Args:
      name: `constant`; `cosine`, down to 0 at the last step; `one_cycle`, as Smith and Topin: up
        from a 25th of the peak in the first 30 % of the run, then down to 1/10,000 of the start.
      peak: the highest rate.
      steps: of the whole run.
      warmup_steps: linear from 0 to the peak before the schedule proper; `one_cycle` has its own.
    """
    rest = max(steps - warmup_steps, 1)
    schedules = {
        "constant": lambda: optax.constant_schedule(peak),
        "cosine": lambda: optax.cosine_decay_schedule(peak, rest),
        "one_cycle": lambda: optax.cosine_onecycle_schedule(rest, peak),
    }
    schedule = schedules[name]()
    if not warmup_steps:
        return schedule
    warmup = optax.linear_schedule(0.0, peak, warmup_steps)
    return optax.join_schedules([warmup, schedule], [warmup_steps])


def _kernels(params: Any) -> Any:
    """Returns a mask that is True on kernels: biases and batch norms are not decayed."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)


def make_optimizer(
    name: str, schedule: optax.Schedule, *, momentum: float = 0.9, weight_decay: float = 0.0
) -> optax.GradientTransformation:
    """Returns the optimizer.

    Args:
      name: `sgd`, `adam` or `adamw`.
      schedule: the learning rate.
      momentum: of `sgd`; 0 for none.
      weight_decay: on kernels only. `adamw` decouples it; the others add it to the gradient.
    """
    if name == "adamw":
        return optax.adamw(schedule, weight_decay=weight_decay, mask=_kernels)
    optimizers = {
        "sgd": lambda: optax.sgd(schedule, momentum=momentum or None),
        "adam": lambda: optax.adam(schedule),
    }
    optimizer = optimizers[name]()
    if not weight_decay:
        return optimizer
    return optax.chain(optax.add_decayed_weights(weight_decay, mask=_kernels), optimizer)
