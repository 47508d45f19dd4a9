"""Per-class accuracy over the epochs as a figure, one line per emotion, as in Liu (P5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.report.figures.epoch_axes import (
    Series,
    draw_series,
    empty_axes,
    epoch_axis,
    percent_axis,
    series_from_lines,
)
from ferjax.report.figures.line_end_labels import LineEnd, label_line_ends, shorten
from ferjax.report.figures.style import axes_at, class_colours, saved_figure

_OVERALL = "#9AA0A6"


def draw_per_class(
    lines: Sequence[Mapping[str, Any]], classes: Sequence[str], path: Path, title: str
) -> None:
    """Draws the recall of every class on val over the epochs, and the overall accuracy in grey.

    Args:
      lines: objects of `metrics.jsonl`. Those of val with `recall: {class: rate in [0, 1]}` count.
        A class without a value (None, or not in the mapping) has no line.
      classes: the class list, which fixes the colours.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    colours = class_colours(classes)
    lines = [line for line in lines if line.get("recall")]
    curves = {
        name: series_from_lines(lines, "val", lambda line, name=name: line["recall"].get(name))
        for name in classes
    }
    overall = series_from_lines(lines, "val", lambda line: line.get("accuracy"))
    with saved_figure(path, 9.2, 4.7, title) as figure:
        axes = axes_at(figure, 0.6, 0.55, 7.0, 3.55)
        if not len(overall.epochs):
            empty_axes(axes, "no evaluation recorded")
            return
        draw_series(axes, overall, _OVERALL, 3.2, zorder=1.5)
        ends = [LineEnd(overall.epochs[-1], overall.values[-1], _label("all", overall), "#7A8087")]
        for name, curve in curves.items():
            if len(curve.epochs):
                draw_series(axes, curve, colours[name], 1.5)
                ends.append(
                    LineEnd(curve.epochs[-1], curve.values[-1], _label(name, curve), colours[name])
                )
        epoch_axis(axes, [overall])
        percent_axis(axes, -0.01, 1.01)
        label_line_ends(axes, ends)


def _label(name: str, curve: Series) -> str:
    return f"{shorten(name, 12)}  {100 * curve.values[-1]:.1f} %"
