"""Runs beside each other as figures: curves over the epochs, and differences with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ferjax.report.figures.epoch_axes import (
    Series,
    empty_axes,
    epoch_axis,
    percent_axis,
    series_from_lines,
)
from ferjax.report.figures.line_end_labels import LineEnd, label_line_ends, shorten
from ferjax.report.figures.style import MUTED, axes_at, darker, saved_figure

# Okabe and Ito's colours that are legible on white, then darker ones.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#332288", "#882255")
# In inches: height of the row of a pair.
_ROW = 0.28


def run_colour(number: int) -> str:
    """Returns the colour of run `number`, counted from 0; the colours repeat after eight."""
    return _COLOURS[number % len(_COLOURS)]


def draw_compared_curves(
    lines: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], path: Path, title: str
) -> None:
    """Draws accuracy and loss on val over the epochs, and on train dashed, a colour for each run.

    Args:
      lines: name of a run → for each of its seeds the objects of `metrics.jsonl`. All seeds have
        one colour; the label is at the end of the first curve.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    with saved_figure(path, 11.0, 4.2, title) as figure:
        for k, key in enumerate(("accuracy", "loss")):
            axes = axes_at(figure, 0.6 + 5.4 * k, 0.55, 3.4, 2.9)
            axes.set_title(f"{key.capitalize()}: val, and train dashed")
            _draw_curves(axes, key, lines)


def _draw_curves(
    axes: Axes, key: str, lines: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
) -> None:
    drawn: list[Series] = []
    ends: list[LineEnd] = []
    for number, (name, seeds) in enumerate(lines.items()):
        colour, labelled = run_colour(number), False
        for seed_lines in seeds:
            for split, width, style in (("train", 0.9, (0, (3, 2))), ("val", 1.6, "-")):
                curve = series_from_lines(seed_lines, split, lambda line: line.get(key))
                if not len(curve.epochs):
                    continue
                drawn.append(curve)
                axes.plot(*curve, color=colour, linewidth=width, linestyle=style)
                if split == "val" and not labelled:
                    labelled = True
                    end = curve.values[-1]
                    number_text = f"{100 * end:.1f} %" if key == "accuracy" else f"{end:.3f}"
                    text = f"{shorten(name, 18, tail=True)}  {number_text}"
                    ends.append(LineEnd(curve.epochs[-1], end, text, colour))
    if not drawn:
        empty_axes(axes, f"no {key} recorded")
        return
    epoch_axis(axes, drawn)
    values = np.concatenate([curve.values for curve in drawn])
    if key == "accuracy":
        percent_axis(axes, max(0.0, values.min() - 0.03), min(1.01, values.max() + 0.03))
    else:
        axes.set_ylim(0, 1.04 * float(np.quantile(values, 0.99)) or 1.0)
    label_line_ends(axes, ends)


def draw_differences(pairs: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Draws the difference of accuracy and of macro-F1 of each pair with its 95 % interval.

    Filled dots differ beyond chance after Holm's correction.

    Args:
      pairs: `first`, `second`, and `accuracy` and `macro_f1`, each with `difference`, `low`, `high`
        and `holm`.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    height = _ROW * len(pairs) + 0.25
    labels = [f"{shorten(p['first'], 22, True)} – {shorten(p['second'], 22, True)}" for p in pairs]
    left = 0.55 + 0.068 * max(map(len, labels))
    with saved_figure(path, left + 7.0, height + 1.6, title) as figure:
        for k, (key, name) in enumerate((("accuracy", "Accuracy"), ("macro_f1", "Macro F1"))):
            axes = axes_at(figure, left + 3.5 * k, 0.65, 3.2, height)
            axes.set_title(f"{name}: first less second")
            for row, pair in enumerate(pairs):
                _draw_difference(axes, len(pairs) - 1 - row, pair[key])
            axes.axvline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
            axes.set_ylim(-0.6, len(pairs) - 0.4)
            axes.set_yticks(range(len(pairs)), labels[::-1] if k == 0 else [])
            axes.grid(visible=True, axis="x")
            axes.grid(visible=False, axis="y")
            axes.set_xlabel("points; filled: beyond chance (Holm, 5 %)")


def _draw_difference(axes: Axes, y: int, difference: Mapping[str, Any]) -> None:
    """Draws the interval of a difference, and a dot that is filled if it is significant."""
    low, middle, high = (100 * difference[name] for name in ("low", "difference", "high"))
    colour = run_colour(0 if middle >= 0 else 1)
    axes.plot([low, high], [y, y], color=colour, linewidth=1.6)
    is_significant = difference["holm"] is not None and difference["holm"] < 0.05
    axes.plot(
        middle,
        y,
        "o",
        markersize=6,
        color=darker(colour),
        mfc=colour if is_significant else "white",
    )
