"""Errors for a path that is not a run: they name the runs inside the folder or around it."""

from pathlib import Path

from ferjax.config.given_files import read_json
from ferjax.errors import UserError, nearest

CHECKPOINTS = "checkpoints"
_WEIGHTS = ".safetensors"
# Largest number of runs that an error names.
_SHOWN = 8


def check_is_run(folder: Path) -> None:
    """Raises `UserError` if a folder has no checkpoints/; the error names the runs inside."""
    check_exists(folder)
    if folder.suffix == _WEIGHTS and folder.is_file():
        raise UserError(
            f"{folder} has no model card beside it, {folder.stem}.json, so it is no weights file of"
            " launch.export. Copy its card too, or give the folder of a ferjax run."
        )
    if not (folder / CHECKPOINTS).is_dir():
        raise UserError(f"{folder}: no {CHECKPOINTS}/ there. {where_runs_are(folder)}")


def check_exists(place: Path) -> None:
    """Raises `UserError` if a path does not exist; it names runs and weights files beside it."""
    if place.exists():
        return
    parent = place.parent
    neighbours = {path.stem: path.name for path in parent.glob(f"*{_WEIGHTS}")}
    neighbours |= {path.parent.name: path.parent.name for path in parent.glob(f"*/{CHECKPOINTS}")}
    is_file = place.suffix in (_WEIGHTS, ".json")
    near = nearest(place.stem if is_file else place.name, neighbours)
    hint = f" Did you mean {parent / neighbours[near]}?" if near else ""
    names = sorted(neighbours.values())
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    contents = (
        f" {parent} holds {', '.join(names[:_SHOWN])}{more}." if neighbours and parent.name else ""
    )
    raise UserError(
        f"{place}: no such {'file' if is_file else 'folder'}.{hint}{contents}"
        f" Give the folder of a ferjax run{', or a weights file' * is_file}."
    )


def where_runs_are(folder: Path) -> str:
    """Returns advice for the user who gave a folder that is not a run.

    The folder may contain runs (seeds, folds, both, the trials of a search, or any runs), or it may
    itself be inside a run.
    """
    inside = sorted(
        path.parent for pattern in ("*", "*/*") for path in folder.glob(f"{pattern}/{CHECKPOINTS}")
    )
    if inside:
        names = ", ".join(map(str, inside[:_SHOWN]))
        more = f" and {len(inside) - _SHOWN:,} more" if len(inside) > _SHOWN else ""
        return f"It holds {len(inside):,} runs: {names}{more}.{_best(folder)} Give one of them."
    enclosing_runs = (
        folder_above
        for folder_above in folder.absolute().parents[:2]
        if (folder_above / CHECKPOINTS).is_dir()
    )
    if run := next(enclosing_runs, None):
        return f"It lies in the run {run}: give that."
    return "Give the folder of a ferjax run."


def _best(folder: Path) -> str:
    """Returns a sentence that names the best trial of a search, or an empty text."""
    try:
        report = read_json(folder / "report.json", "")
        return f" The best trial is {folder / report['best']['directory']}."
    except (UserError, OSError, KeyError, TypeError):
        return ""
