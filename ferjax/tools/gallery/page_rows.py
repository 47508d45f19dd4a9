"""Rows of the gallery's tables as texts, links and small pictures, for the template."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ferjax.report.pages.markdown_tables import percentage
from ferjax.tools.gallery.entry import Entry, SplitScores
from ferjax.tools.gallery.group_entries import Group
from ferjax.tools.gallery.joint_reports import JointReport
from ferjax.tools.gallery.thumbnails import confusion_thumbnail, curve_points

# The most runs of a series or search that have rows; its own report lists all of them.
_MAX_CHILDREN = 20
# Width of the drawing of an interval, in its own units.
_INTERVAL_WIDTH = 112


def group_table(group: Group, page_folder: Path) -> dict[str, Any]:
    """Returns heading, notes and rows of a group; links are relative to the page's folder."""
    images = "" if group.images is None else f" of {group.images:,} images"
    fingerprint_of = f", fingerprint {group.digest[:8]}" if group.digest else ", not recorded"
    bounds = _bounds(group.entries)
    rows = []
    for entry in group.entries:
        rows.append(_row(entry, page_folder, bounds))
        children = entry.children[:_MAX_CHILDREN]
        rows += [_row(child, page_folder, bounds, within=entry.folder) for child in children]
        if len(entry.children) > len(children):
            rows[-1]["more"] = (
                f"{len(entry.children) - len(children):,} more are in the report above"
            )
    return {"heading": f"val{images}{fingerprint_of}", "notes": group.notes, "rows": rows}


def drawn_rows(group: Group) -> int:
    """Returns the number of rows of a group, including the runs of series and searches."""
    return sum(1 + len(entry.children[:_MAX_CHILDREN]) for entry in group.entries)


def row_without_numbers(entry: Entry, page_folder: Path) -> dict[str, Any]:
    """Returns the row of a run that has no report, or none that can be read."""
    return _row(entry, page_folder, (0.0, 1.0))


def joint_row(report: JointReport, page_folder: Path) -> dict[str, str]:
    """Returns the row of a report over several runs."""
    return {
        "title": report.title,
        "link": _link(report.page, page_folder),
        "path": _relative(report.folder, page_folder),
        "date": report.date,
    }


def _row(
    entry: Entry, page_folder: Path, bounds: tuple[float, float], within: Path | None = None
) -> dict[str, Any]:
    val, test = entry.scores.get("val"), entry.scores.get("test")
    lines = (*entry.train_lines, *entry.val_lines)
    headline = test or val
    last = max((line[-1][0] for line in lines), default=0)
    return {
        "name": os.path.relpath(entry.folder, within) if within else entry.folder.resolve().name,
        "path": _relative(entry.folder, page_folder),
        "link": _link(entry.page, page_folder) if entry.page else "",
        "child": within is not None,
        "network": entry.network,
        "recipe": entry.recipe,
        "dataset": entry.dataset,
        "train": curve_points(entry.train_lines, last),
        "val": curve_points(entry.val_lines, last),
        "matrix": confusion_thumbnail(entry.confusion) if entry.confusion else None,
        "selected": _cell(val),
        "interval": _interval(val, bounds),
        "last": percentage(val.last if val else None),
        "test": _cell(test),
        "macro_f1": percentage(headline.macro_f1 if headline else None),
        "calibration": percentage(val.calibration_error if val else None),
        "epochs": entry.epochs or "–",
        "seed": entry.seed or "–",
        "minutes": "–" if entry.minutes is None else f"{entry.minutes:,.1f}",
        "parameters": "–" if entry.parameters is None else f"{entry.parameters:,}",
        "stamps": entry.stamps,
        "warnings": entry.warnings,
        "commit": entry.commit or "–",
        "date": entry.date,
        "reason": entry.reason,
        "more": "",
    }


def _cell(scores: SplitScores | None) -> tuple[str, str]:
    """Returns an accuracy and, for small print, its interval or the deviation of a series."""
    if scores is None:
        return "–", ""
    if scores.deviation is not None:
        return percentage(scores.selected), f"± {100 * scores.deviation:.2f} %"
    if scores.interval is None:
        return percentage(scores.selected), ""
    low, high = (f"{100 * edge:.1f}" for edge in scores.interval)
    return percentage(scores.selected), f"{low} to {high} %"


def _edges(scores: SplitScores) -> tuple[float, float]:
    """Returns the ends of an interval, or of the mean plus and minus the deviation."""
    spread = scores.deviation or 0.0
    return scores.interval or (scores.selected - spread, scores.selected + spread)


def _bounds(entries: Sequence[Entry]) -> tuple[float, float]:
    """Returns the least and the greatest end of all val intervals, also of runs in a series."""
    runs = [run for entry in entries for run in (entry, *entry.children)]
    edges = [edge for run in runs if "val" in run.scores for edge in _edges(run.scores["val"])]
    return min(edges), max(edges)


def _interval(scores: SplitScores | None, bounds: tuple[float, float]) -> tuple[str, ...] | None:
    """Returns the left end, the point and the right end of an interval in its drawing."""
    if scores is None:
        return None
    low, high = _edges(scores)
    start, width = bounds[0], max(bounds[1] - bounds[0], 1e-9)
    positions = (
        4 + (_INTERVAL_WIDTH - 8) * (x - start) / width for x in (low, scores.selected, high)
    )
    return tuple(f"{place:.1f}" for place in positions)


def _link(page: Path, folder: Path) -> str:
    return quote(os.fsencode(_relative(page, folder)))


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
