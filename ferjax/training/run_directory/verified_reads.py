"""Finished checkpoints of a run: which there are, and that they are whole before they are read."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.checksums import find_damage

# What Orbax and TensorStore raise for files that are cut, changed or missing.
_DAMAGED = (ValueError, OSError, KeyError, TypeError, RecursionError)


def saved_steps(folder: Path) -> dict[int, Path]:
    """Returns the finished checkpoints of a folder by their steps."""
    return {int(path.name): path for path in folder.glob("*") if path.name.isdecimal()}


def saved_metrics(folder: Path) -> dict[int, dict[str, float]]:
    """Returns step → metrics of the checkpoints in a folder that have any.

    A checkpoint without them was saved within an epoch, or a kill has left it half removed.

    Raises:
      UserError: the metrics of one are damaged; Orbax cannot open the folder then.
    """
    found: dict[int, dict[str, float]] = {}
    for step, path in saved_steps(folder).items():
        if (file := path / "metrics" / "metrics").is_file():
            with reading(folder, step, "metrics/metrics"):
                values = json.loads(file.read_text("utf-8"))
                found[step] = {name: float(values[name]) for name in ("accuracy", "step")}
    return found


@contextlib.contextmanager
def reading(folder: Path, step: int, item: str, passes: str = "") -> Iterator[None]:
    """Verifies a part of a checkpoint, then runs the block that reads it.

    Args:
      folder: the checkpoints of a run.
      step: of the checkpoint.
      item: `state` or `meta`, or the path of a file.
      passes: an error with this text, where one is given, is no damage and passes through.

    Raises:
      UserError: there is no such checkpoint, or a file of it is damaged; the message names the file
        and a checkpoint that is whole.
    """
    path = folder / str(step)
    damage = find_damage(path, item) if path.is_dir() else "the checkpoint is missing"
    if damage:
        raise _error(folder, step, damage)
    try:
        yield
    except _DAMAGED as error:
        if passes and passes in str(error):
            raise
        reason = (str(error).splitlines() or [""])[0][:200]
        raise _error(folder, step, f"{item} cannot be read ({reason})") from error


def _error(folder: Path, step: int, damage: str) -> UserError:
    others = {k: path for k, path in saved_steps(folder).items() if k != step}
    whole = [k for k, path in sorted(others.items()) if not find_damage(path)]
    if not whole:
        way_out = "No other checkpoint is there: copy the run again, or train it again"
    elif whole[-1] > step:
        way_out = (
            f"Copy the run again, or use the last checkpoint, of step {whole[-1]}: launch.predict"
            " and launch.evaluate take --checkpoint=last"
        )
    else:
        way_out = (
            "Copy the run again, or move that folder away: the run then goes on from its"
            f" checkpoint of step {whole[-1]}"
        )
    return UserError(f"{folder / str(step)}: {damage}. {way_out}.")
