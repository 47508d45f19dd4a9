"""Writes an index over runs as one HTML page (`launch.gallery`)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import ferjax
from ferjax.config.gallery_config import GalleryConfig
from ferjax.errors import UserError
from ferjax.report.html.page_templates import render_page
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.progress_bar import tqdm
from ferjax.tools.gallery.entry import Entry
from ferjax.tools.gallery.group_entries import Group, group_entries
from ferjax.tools.gallery.joint_reports import JointReport, joint_report
from ferjax.tools.gallery.page_rows import (
    drawn_rows,
    group_table,
    joint_row,
    row_without_numbers,
)
from ferjax.tools.gallery.read_series import read_entry
from ferjax.tools.gallery.run_folders import find_run_folders

# This mark is within the first `_MARK_LIMIT` characters of every gallery and identifies it.
_MARK = "<!-- written by ferjax: launch.gallery -->"
_MARK_LIMIT = 200


def run_gallery(config: GalleryConfig, places: Sequence[str]) -> list[str]:
    """Writes the page; returns lines to print, the last of which is its path.

    Args:
      config: the flags.
      places: run directories, and folders that hold some at any depth.

    Raises:
      UserError: no run in the places, or `out` is a file that launch.gallery has not written.
    """
    out = Path(config.out)
    _check_out(out)
    if not places:
        raise UserError(
            "no runs given. Name run directories, or folders that hold some, after the flags."
        )
    folders, notes = find_run_folders(places)
    bar = tqdm(folders, unit="run", disable=None if config.progress else True)
    joint, entries = [], []
    for folder in bar:
        if report := joint_report(folder):
            joint.append(report)
        else:
            entries.append(read_entry(folder))
    groups, without_numbers = group_entries(entries)
    write_atomically(out, _page(groups, without_numbers, joint, out.parent))
    rows = sum(map(drawn_rows, groups))
    summary = f"{_count(rows, 'row')} in {_count(len(groups), 'table')}"
    return [
        *(f"left out: {note}" for note in notes),
        *(f"without numbers: {entry.folder}: {entry.reason}" for entry in without_numbers),
        summary
        + (f", {len(without_numbers):,} without numbers" if without_numbers else "")
        + (f", {_count(len(joint), 'report')} over several runs" if joint else ""),
        str(out),
    ]


def _check_out(out: Path) -> None:
    """Raises `UserError` unless the page is new or was written by this command."""
    if not out.exists():
        return
    try:
        with open(out, encoding="utf-8", errors="replace") as file:
            is_gallery = _MARK in file.read(_MARK_LIMIT)
    except OSError as error:
        raise UserError(
            f"--out={out} cannot be read ({error.strerror}). Name a new file."
        ) from None
    if not is_gallery:
        raise UserError(
            f"--out={out} exists and is no page of launch.gallery. Nothing was written; name a new"
            " file."
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _page(
    groups: Sequence[Group],
    without_numbers: Sequence[Entry],
    joint: Sequence[JointReport],
    folder: Path,
) -> str:
    tables: dict[str, list[dict]] = {}
    for group in groups:
        name = group.dataset or "data of an own training loop"
        tables.setdefault(name, []).append(group_table(group, folder))
    return render_page(
        "gallery.html",
        mark=_MARK,
        title="Gallery of runs",
        datasets=tables,
        others=[row_without_numbers(entry, folder) for entry in without_numbers],
        joint=[joint_row(report, folder) for report in joint],
        version=ferjax.__version__,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
