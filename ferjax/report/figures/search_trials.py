"""Trials of a hyper-parameter search as a figure: accuracy by trial, and by each varied field."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ferjax.report.figures.epoch_axes import empty_axes, percent_axis
from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import CORRECT, INK, MUTED, WRONG, axes_at, saved_figure

# In inches: width and height of a panel; left margin, gap, height of the first panel.
_COLUMNS, _WIDTH, _HEIGHT = 3, 2.55, 1.75
_LEFT, _GAP, _TOP = 0.6, 0.4, 2.3
# State → marker, face colour and edge colour; complete trials are drawn last, on top.
_MARKERS = {
    "running": ("o", "white", MUTED),
    "pruned": ("o", "white", CORRECT),
    "complete": ("o", CORRECT, CORRECT),
}


def draw_trials(
    rows: Sequence[Mapping[str, Any]],
    fields: Mapping[str, Mapping[str, Any]],
    path: Path,
    title: str,
) -> None:
    """Draws val accuracy by trial number, with the best value so far, and a panel for each field.

    Args:
      rows: `number`, `state` (complete, pruned, failed, running), `accuracy` in [0, 1] or None,
        `values` {field: number, text or None}.
      fields: varied field → `choices` (texts in order), or `low`, `high` and `log` of a range.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    lines = -(-len(fields) // _COLUMNS)
    below = lines * (_HEIGHT + 0.85)
    width = _LEFT + _COLUMNS * _WIDTH + (_COLUMNS - 1) * _GAP + 0.35
    with saved_figure(path, width, below + _TOP + 1.35, title) as figure:
        full_width = width - _LEFT - 0.35
        axes = axes_at(figure, _LEFT, below + 0.6, full_width, _TOP)
        scored = [row for row in rows if row["accuracy"] is not None]
        if not scored:
            empty_axes(axes, "no trial has been evaluated yet")
            return
        limits = _accuracy_limits([row["accuracy"] for row in scored])
        _draw_by_number(axes, rows, limits)
        for k, (name, field) in enumerate(fields.items()):
            line, column = divmod(k, _COLUMNS)
            left = _LEFT + column * (_WIDTH + _GAP)
            bottom = below - (line + 1) * (_HEIGHT + 0.85) + 0.5
            panel = axes_at(figure, left, bottom, _WIDTH, _HEIGHT)
            _draw_by_field(panel, scored, name, field, limits)
            if column:
                panel.set_yticklabels([])


def _accuracy_limits(values: Sequence[float]) -> tuple[float, float]:
    margin = 0.08 * ((max(values) - min(values)) or 0.1)
    return max(-0.01, min(values) - 1.5 * margin), min(1.02, max(values) + margin)


def _draw_by_number(
    axes: Axes, rows: Sequence[Mapping[str, Any]], limits: tuple[float, float]
) -> None:
    """Draws accuracy by trial number; failed trials are crosses at the bottom."""
    percent_axis(axes, *limits)
    axes.set_title("Val accuracy")
    complete = [row for row in rows if row["state"] == "complete"]
    if complete:
        numbers = [row["number"] for row in complete]
        best = np.maximum.accumulate([row["accuracy"] for row in complete])
        end = rows[-1]["number"]
        axes.step(
            [*numbers, end], [*best, best[-1]], where="post", color=INK, lw=1.2, label="best so far"
        )
    for state in _MARKERS:
        drawn = [row for row in rows if row["state"] == state and row["accuracy"] is not None]
        _draw_dots(axes, state, [r["number"] for r in drawn], [r["accuracy"] for r in drawn])
    failed = [row["number"] for row in rows if row["state"] == "failed"]
    if failed:
        low = [limits[0]] * len(failed)
        axes.plot(failed, low, "x", color=WRONG, ms=5, mew=1.5, clip_on=False, label="failed")
    axes.set_xlim(-0.6, max(rows[-1]["number"], 1) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True, min_n_ticks=1))
    axes.set_xlabel("trial")
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=5,
        frameon=False,
        borderpad=0.2,
        handletextpad=0.4,
        labelcolor=MUTED,
    )


def _draw_by_field(
    axes: Axes,
    scored: Sequence[Mapping[str, Any]],
    name: str,
    field: Mapping[str, Any],
    limits: tuple[float, float],
) -> None:
    """Draws accuracy by the values of one field; the best trial has a ring."""
    percent_axis(axes, *limits)
    axes.set_title(name)
    with_value = [row for row in scored if row["values"][name] is not None]
    positions = _label_categories(axes, field["choices"]) if "choices" in field else None
    if positions is None:
        _fit_x_axis(axes, field)
    for state in _MARKERS:
        drawn = [row for row in with_value if row["state"] == state]
        x = [_x_position(row, name, positions, len(scored)) for row in drawn]
        _draw_dots(axes, state, x, [row["accuracy"] for row in drawn])
    complete = [row for row in with_value if row["state"] == "complete"]
    if complete:
        best = max(complete, key=lambda row: row["accuracy"])
        x = _x_position(best, name, positions, len(scored))
        axes.plot(x, best["accuracy"], "o", ms=10, mfc="none", mec=INK, mew=1.2, zorder=5)


def _fit_x_axis(axes: Axes, field: Mapping[str, Any]) -> None:
    """Fits the x axis to a range, with a margin for the dots at its ends."""
    low, high = field["low"], field["high"]
    if not field["log"]:
        margin = 0.04 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=isinstance(low, int)))
        return
    factor = (high / low) ** 0.04
    axes.set_xscale("log")
    axes.set_xlim(low / factor, high * factor)
    # In a range of less than two decades, powers of ten alone would give one tick or none.
    multiples = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=multiples, numticks=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _label_categories(axes: Axes, choices: Sequence[str]) -> dict[str, int]:
    """Labels the x axis with the choices; returns the x position of each."""
    positions = {choice: k for k, choice in enumerate(choices)}
    size = 8.5 if len(choices) < 4 else 7.0
    labels = [shorten(choice, 38 // len(choices)) for choice in choices]
    axes.set_xticks(range(len(choices)), labels, size=size)
    axes.set_xlim(-0.5, len(choices) - 0.5)
    return positions


def _x_position(
    row: Mapping[str, Any], name: str, positions: Mapping[str, int] | None, count: int
) -> float:
    """Returns the x position of a trial; within a category later trials are further right."""
    if positions is None:
        return float(row["values"][name])
    return positions[row["values"][name]] + 0.5 * (row["number"] / max(count, 1) - 0.5)


def _draw_dots(axes: Axes, state: str, x: Sequence[float], y: Sequence[float]) -> None:
    if not len(x):
        return
    marker, face, edge = _MARKERS[state]
    axes.plot(x, y, marker, ms=5, mfc=face, mec=edge, mew=1.2, label=state, zorder=3, clip_on=False)
