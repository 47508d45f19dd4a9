"""Finds the run directories in folders, and groups those of one series or search."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferjax.errors import UserError
from ferjax.training.run_directory.config_and_lock import CONFIG_FILE
from ferjax.training.run_directory.find_runs import CHECKPOINTS

REPORT = "report.json"
STUDY = "study.json"
# Every evaluation writes this file, so that its folder is not taken for a run.
_EVALUATION_MARKER = ".inputs"


@dataclass(frozen=True)
class RunFolder:
    """A run directory, or the folder of several.

    Attributes:
      path: the folder.
      kind: `run`, `series` (seeds or folds), `search`, or `report` over several runs.
      children: the runs of a series or search; each may be a series itself.
    """

    path: Path
    kind: str
    children: tuple["RunFolder", ...] = ()


def find_run_folders(places: Sequence[str]) -> tuple[list[RunFolder], list[str]]:
    """Returns the runs in some folders, at any depth, and notes on the places without runs.

    Args:
      places: run directories, folders that hold some, and files, which are left out.

    Raises:
      UserError: a place that does not exist, or no run in any of them.
    """
    all_runs: list[RunFolder] = []
    notes: list[str] = []
    for place in places:
        path = Path(place).expanduser()
        if not path.exists():
            raise UserError(f"{place}: no such folder. Give run directories, or folders of runs.")
        runs = _runs_below(path) if path.is_dir() else []
        if not runs:
            notes.append(f"{place}: no run in it" if path.is_dir() else f"{place}: a file")
        all_runs += runs
    if not all_runs:
        raise UserError(
            f"no ferjax run in {', '.join(places)}. Give run directories, or folders that hold some"
            " at any depth."
        )
    return _without_repetitions(all_runs), notes


def _runs_below(place: Path) -> list[RunFolder]:
    """Returns the runs at or below a folder, each once; those behind links come last."""
    visited: set[Path] = set()
    waiting, runs = [place], []
    for folder in waiting:
        runs += _runs_in(folder, visited, waiting)
    return runs


def _runs_in(folder: Path, visited: set[Path], links: list[Path]) -> Iterator[RunFolder]:
    """Yields the runs at or below a folder; links to other folders are collected for later."""
    resolved = folder.resolve()
    if resolved in visited:
        return
    visited.add(resolved)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # this user may not read the folder
    names = {entry.name for entry in entries}
    if CHECKPOINTS in names:
        yield RunFolder(folder, "run")
        return
    folders = [entry for entry in entries if entry.name[0] != "." and _is_folder(entry)]
    links += [folder / entry.name for entry in folders if entry.is_symlink()]
    below = [
        run
        for entry in folders
        if not entry.is_symlink()
        for run in _runs_in(folder / entry.name, visited, links)
    ]
    if STUDY in names:
        yield RunFolder(folder, "search", tuple(below))
    elif CONFIG_FILE in names and below:
        yield RunFolder(folder, "series", tuple(below))
    elif CONFIG_FILE in names or (
        REPORT in names and _EVALUATION_MARKER not in names and not below
    ):
        yield RunFolder(folder, "run")
    else:
        yield from below
        if REPORT in names and _EVALUATION_MARKER not in names:
            yield RunFolder(folder, "report")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Returns whether an entry is a folder, or a link to one that this user may follow."""
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself, or into a folder that this user may not read


def _without_repetitions(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Returns each run once; a run that is also part of a series is left to the series."""
    inside = {run.path.resolve() for top in runs for run in _descendants(top)}
    tops: dict[Path, RunFolder] = {}
    for run in runs:
        resolved = run.path.resolve()
        if resolved not in inside:
            tops.setdefault(resolved, run)
    return list(tops.values())


def _descendants(folder: RunFolder) -> Iterator[RunFolder]:
    for child in folder.children:
        yield child
        yield from _descendants(child)
