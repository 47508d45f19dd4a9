"""Training curves as a figure: loss and accuracy of train and val over the epochs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ferjax.report.figures.epoch_axes import (
    Series,
    draw_series,
    empty_axes,
    epoch_axis,
    percent_axis,
    series_from_lines,
)
from ferjax.report.figures.line_end_labels import LineEnd, label_line_ends
from ferjax.report.figures.style import INK, MUTED, axes_at, saved_figure

_COLOURS = {"train": "#8A949E", "val": "#0072B2"}


def draw_curves(
    lines: Sequence[Mapping[str, Any]],
    path: Path,
    selected_epoch: int | None,
    title: str,
    starts: Sequence[int] = (0,),
) -> None:
    """Draws two panels, loss and accuracy, for train and val, with the selected epoch marked.

    Args:
      lines: objects of `metrics.jsonl`: `epoch`, `split`, `loss`, `accuracy` (in [0, 1]).
      path: the PNG to write.
      selected_epoch: the epoch whose weights were selected, or None to mark none.
      title: the figure's title.
      starts: for each phase of training, the number of epochs before it.

    Raises:
      UserError: the file cannot be written.
    """
    with saved_figure(path, 9.2, 3.75, title) as figure:
        for k, key in enumerate(("loss", "accuracy")):
            curves = {
                split: series_from_lines(lines, split, lambda line, key=key: line.get(key))
                for split in _COLOURS
            }
            axes = axes_at(figure, 0.55 + 4.55 * k, 0.55, 2.95, 2.45)
            axes.set_title(key.capitalize())
            _draw_panel(axes, key, curves)
            for number, start in enumerate(starts[1:], start=2):
                _mark_phase_start(axes, number, start)
            if selected_epoch is not None:
                _mark_selected_epoch(axes, key, curves["val"], selected_epoch)


def _draw_panel(axes: Axes, key: str, curves: Mapping[str, Series]) -> None:
    drawn = {split: curve for split, curve in curves.items() if len(curve.epochs)}
    if not drawn:
        empty_axes(axes, f"no {key} recorded")
        return
    for split, curve in drawn.items():
        draw_series(axes, curve, _COLOURS[split], 1.8 if split == "val" else 1.4)
    epoch_axis(axes, list(drawn.values()))
    values = np.concatenate([curve.values for curve in drawn.values()])
    if key == "loss":
        axes.set_ylim(0, 1.06 * values.max() or 1.0)
    else:
        percent_axis(axes, max(0.0, values.min() - 0.06), min(1.015, values.max() + 0.06))
    label_line_ends(
        axes,
        [
            LineEnd(curve.epochs[-1], curve.values[-1], _label(split, key, curve), _COLOURS[split])
            for split, curve in drawn.items()
        ],
    )


def _label(split: str, key: str, curve: Series) -> str:
    return f"{split}  {_number(key, curve.values[-1])}"


def _number(key: str, value: float) -> str:
    return f"{100 * value:.1f} %" if key == "accuracy" else f"{value:.3f}"


def _mark_selected_epoch(axes: Axes, key: str, val: Series, epoch: int) -> None:
    indices = np.flatnonzero(val.epochs == epoch)
    if not len(indices):
        return
    value = val.values[indices[0]]
    axes.axvline(epoch, color=INK, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    axes.plot(
        epoch, value, "o", ms=8, mfc="white", mec=_COLOURS["val"], mew=1.8, zorder=5, clip_on=False
    )
    note = f"selected: epoch {epoch}, {_number(key, float(value))}"
    axes.set_title(note, loc="right", size=8, weight="normal", color=MUTED)


def _mark_phase_start(axes: Axes, number: int, start: int) -> None:
    axes.axvline(start + 0.5, color=MUTED, linewidth=0.6, alpha=0.6, zorder=1)
    axes.annotate(
        f"phase {number}",
        xy=(start + 0.5, 1),
        xycoords=("data", "axes fraction"),
        xytext=(3, -3),
        textcoords="offset points",
        size=7,
        color=MUTED,
        va="top",
    )
