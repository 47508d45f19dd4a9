"""A folder that should be a run and is none: which runs are in it, or around it."""

from pathlib import Path

from ferjax.config.given_files import read_json
from ferjax.errors import UserError, nearest

CHECKPOINTS = "checkpoints"
_WEIGHTS = ".safetensors"
_SHOWN = 8


def check_is_run(folder: Path) -> None:
    """Raises `UserError` if a folder has no checkpoints/; it names the runs inside."""
    check_exists(folder)
    if folder.suffix == _WEIGHTS and folder.is_file():
        raise UserError(
            f"{folder} has no model card beside it, {folder.stem}.json, so it is no weights file of"
            " launch.export. Copy its card too, or give the folder of a ferjax run."
        )
    if not (folder / CHECKPOINTS).is_dir():
        raise UserError(f"{folder}: no {CHECKPOINTS}/ there. {where_runs_are(folder)}")


def check_exists(place: Path) -> None:
    """Raises `UserError` if a run or weights file is not there; it names those that lie there."""
    if place.exists():
        return
    parent = place.parent
    named = {path.stem: path.name for path in parent.glob(f"*{_WEIGHTS}")}
    named |= {path.parent.name: path.parent.name for path in parent.glob(f"*/{CHECKPOINTS}")}
    is_file = place.suffix in (_WEIGHTS, ".json")
    near = nearest(place.stem if is_file else place.name, named)
    hint = f" Did you mean {parent / named[near]}?" if near else ""
    names = sorted(named.values())
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    there = f" {parent} holds {', '.join(names[:_SHOWN])}{more}." if named and parent.name else ""
    raise UserError(
        f"{place}: no such {'file' if is_file else 'folder'}.{hint}{there}"
        f" Give the folder of a ferjax run{', or a weights file' * is_file}."
    )


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
        report = read_json(folder / "report.json", "")
        return f" The best trial is {folder / report['best']['directory']}."
    except (UserError, OSError, KeyError, TypeError):
        return ""
