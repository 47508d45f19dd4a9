"""A folder that should be a run and is none: which runs are in it, or around it."""

import json
from pathlib import Path

from ferjax.errors import UserError

CHECKPOINTS = "checkpoints"
_SHOWN = 8


def check_is_run(folder: Path) -> None:
    """Raises `UserError` if a folder has no checkpoints/; it names the runs inside."""
    if not folder.exists():
        raise UserError(f"{folder}: no such folder. Give the folder of a ferjax run.")
    if not (folder / CHECKPOINTS).is_dir():
        raise UserError(f"{folder}: no {CHECKPOINTS}/ there. {where_runs_are(folder)}")


def where_runs_are(folder: Path) -> str:
    """Returns what to give instead of a folder that is no run.

    The runs may be in it (seeds, folds, both, the trials of a search, a folder of runs), or it is
    a file or folder of a run.
    """
    inside = sorted(
        path.parent for part in ("*", "*/*") for path in folder.glob(f"{part}/{CHECKPOINTS}")
    )
    if inside:
        names = ", ".join(map(str, inside[:_SHOWN]))
        more = f" and {len(inside) - _SHOWN:,} more" if len(inside) > _SHOWN else ""
        return f"It holds {len(inside):,} runs: {names}{more}.{_best(folder)} Give one of them."
    around = (place for place in folder.absolute().parents[:2] if (place / CHECKPOINTS).is_dir())
    if run := next(around, None):
        return f"It lies in the run {run}: give that."
    return "Give the folder of a ferjax run."


def _best(folder: Path) -> str:
    """Returns a sentence that names the best trial of a search, or nothing."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return f" The best trial is {folder / report['best']['directory']}."
    except (OSError, ValueError, KeyError, TypeError):
        return ""
