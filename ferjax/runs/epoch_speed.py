"""Speed of an epoch for metrics.jsonl: images a second, FLOP utilisation, wall time, memory."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from ferjax.runs.task import Task
from ferjax.runtime.programs.machine_limits import matmul_ceiling, peak_memory
from ferjax.training.wall_time import SecondsByKind, timed


def epoch_speed(
    task: Task,
    images_per_second: float,
    program: dict[str, Any],
    spent: SecondsByKind,
    lap: Callable[[], SecondsByKind],
) -> dict[str, Any]:
    """Returns the fields of a train line on speed, wall time and memory of its epoch.

    Args:
      task: the task of the run.
      images_per_second: speed of the epoch, without compilation and saves.
      program: facts about the compiled step; the ceiling of the machine's matrix products is
        measured at the first call and added here.
      spent: the wall-time breakdown, to which that measurement is added.
      lap: () → seconds by kind since the last train line.
    """
    devices = list(task.mesh.devices.flat)
    if "ceiling" not in program:
        bf16 = task.config.precision == "bf16"
        with timed(spent, "compile"):
            program["ceiling"] = matmul_ceiling(devices, jnp.bfloat16 if bf16 else jnp.float32)
    flops = program.get("step_flops", 0.0) * images_per_second / task.config.batch_size
    return {
        "images_per_second": round(images_per_second, 1),
        "flop_utilisation": round(flops / program["ceiling"], 4),
        "seconds": {kind: round(value, 3) for kind, value in lap().items()},
        "peak_bytes": peak_memory(devices),
    }
