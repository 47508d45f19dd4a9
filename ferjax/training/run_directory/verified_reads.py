"""Finished checkpoints of a run: steps, metrics, and the checks of what is read from them."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.errors import UserError
from ferjax.runtime.checksums import find_damage
from ferjax.runtime.processes import is_lost_peer

# Errors of Orbax and TensorStore for files that are truncated, changed or missing.
_DAMAGED = (ValueError, OSError, KeyError, TypeError, RecursionError)


def saved_steps(folder: Path) -> dict[int, Path]:
    """Returns the finished checkpoints of a folder by their steps."""
    return {int(path.name): path for path in folder.glob("*") if path.name.isdecimal()}


def saved_metrics(folder: Path) -> dict[int, dict[str, float]]:
    """Returns step → metrics of the checkpoints in a folder that have metrics.

    A checkpoint without metrics was saved within an epoch, or a killed process has half removed it.

    Raises:
      UserError: the metrics of a checkpoint are damaged; Orbax could not open the folder.
    """
    metrics: dict[int, dict[str, float]] = {}
    for step, path in saved_steps(folder).items():
        if (file := path / "metrics" / "metrics").is_file():
            with reading(folder, step, "metrics/metrics"):
                values = json.loads(file.read_text("utf-8"))
                metrics[step] = {name: float(values[name]) for name in ("accuracy", "step")}
    return metrics


@contextlib.contextmanager
def reading(folder: Path, step: int, item: str, passes: str = "") -> Iterator[None]:
    """Verifies a part of a checkpoint, then runs the block that reads it.

    Args:
      folder: the checkpoints of a run.
      step: of the checkpoint.
      item: `state` or `meta`, or the path of a file.
      passes: errors that contain this text are not damage and are raised unchanged, as those of
        another process that has ended are; empty: none.

    Raises:
      UserError: there is no such checkpoint, or a file of it is damaged; the message names the file
        and an undamaged checkpoint.
    """
    path = folder / str(step)
    damage = find_damage(path, item) if path.is_dir() else "the checkpoint is missing"
    if damage:
        raise _error(folder, step, damage)
    try:
        yield
    except _DAMAGED as error:
        if is_lost_peer(error) or (passes and passes in str(error)):
            raise
        reason = (str(error).splitlines() or [""])[0][:200]
        raise _error(folder, step, f"{item} cannot be read ({reason})") from error


def _error(folder: Path, step: int, damage: str) -> UserError:
    others = {k: path for k, path in saved_steps(folder).items() if k != step}
    undamaged = [k for k, path in sorted(others.items()) if not find_damage(path)]
    if not undamaged:
        way_out = "No other checkpoint is there: copy the run again, or train it again"
    elif undamaged[-1] > step:
        way_out = (
            f"Copy the run again, or use the last checkpoint, of step {undamaged[-1]}:"
            " launch.predict and launch.evaluate take --checkpoint=last"
        )
    else:
        way_out = (
            "Copy the run again, or move that folder away: the run then goes on from its"
            f" checkpoint of step {undamaged[-1]}"
        )
    return UserError(f"{folder / str(step)}: {damage}. {way_out}.")


def check_dtype(place: str, name: str, saved_dtype: Any, dtype: Any) -> None:
    """Raises `UserError` if an array of floats was saved in another dtype."""
    if saved_dtype != dtype and jnp.issubdtype(dtype, jnp.inexact):
        raise UserError(
            f"{place}: {name} was saved as {saved_dtype}, and is {dtype} here. Nothing is converted"
            " on the way. Was the code changed, or JAX_ENABLE_X64 set?"
        )


def check_shape(run_dir: Path, path: Any, array: np.ndarray, like: Any) -> None:
    """Raises `UserError` if a saved parameter has another shape or dtype than the network's."""
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    check_dtype(str(run_dir), f"parameter {name}", array.dtype, like.dtype)
    if array.shape != like.shape:
        raise UserError(
            f"{run_dir}: parameter {name} is {list(array.shape)}, the network's is"
            f" {list(like.shape)}. Was the code changed?"
        )
