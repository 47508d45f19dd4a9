"""Accuracy of every emotion over the epochs, as Liu (P5) shows it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.report.figures.epoch_axes import (
    Series,
    draw_series,
    empty_axes,
    epoch_axis,
    percent_axis,
    series,
)
from ferjax.report.figures.line_end_labels import End, label_ends, shorten
from ferjax.report.figures.style import axes_at, class_colours, page

_OVERALL = "#9AA0A6"


def draw_per_class(
    lines: Sequence[Mapping[str, Any]], classes: Sequence[str], path: Path, title: str
) -> None:
    """Draws the recall of every class on val over the epochs, and the overall accuracy in grey.

    Args:
      lines: objects of `metrics.jsonl`; those with `recall: {class: rate in [0, 1]}` of val count.
        A class with no value (None, or not in the mapping) has no line.
      classes: the class list, which fixes the colours.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    colours = class_colours(classes)
    lines = [line for line in lines if line.get("recall")]
    curves = {
        name: series(lines, "val", lambda line, name=name: line["recall"].get(name))
        for name in classes
    }
    overall = series(lines, "val", lambda line: line.get("accuracy"))
    with page(path, 9.2, 4.7, title) as figure:
        axes = axes_at(figure, 0.6, 0.55, 7.0, 3.55)
        if not len(overall.epochs):
            empty_axes(axes, "no evaluation recorded")
            return
        draw_series(axes, overall, _OVERALL, 3.2, zorder=1.5)
        ends = [End(overall.epochs[-1], overall.values[-1], _text("all", overall), "#7A8087")]
        for name, curve in curves.items():
            if len(curve.epochs):
                draw_series(axes, curve, colours[name], 1.5)
                ends.append(
                    End(curve.epochs[-1], curve.values[-1], _text(name, curve), colours[name])
                )
        epoch_axis(axes, [overall])
        percent_axis(axes, -0.01, 1.01)
        label_ends(axes, ends)


def _text(name: str, curve: Series) -> str:
    return f"{shorten(name, 12)}  {100 * curve.values[-1]:.1f} %"
