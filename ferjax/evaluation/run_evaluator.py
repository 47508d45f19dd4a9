"""The compiled evaluation of a loaded network on all devices."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ferjax.data.splits.split import Split
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.runs.split_evaluator import evaluator
from ferjax.runtime.sharding import data_mesh, devices_for


def run_evaluator(
    run: LoadedRun, batch_size: int, progress: bool, tta: str = "none"
) -> tuple[Callable[[Any, Split], np.ndarray], list[Any]]:
    """Returns the compiled function (variables, split) → logits float [N, K], and its devices.

    Args:
      run: the network.
      batch_size: batch size of training, rounded up to a multiple of the number of devices.
      progress: whether to show a bar on a terminal.
      tta: test-time augmentation.
    """
    mesh = data_mesh(devices_for(batch_size))
    size = -(-batch_size // mesh.size) * mesh.size
    return evaluator(run.model, run.spec, mesh, size, progress, tta), list(mesh.devices.flat)
