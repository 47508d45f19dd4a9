"""Confusion matrix as a figure: counts, percentages, recall and precision, as in Kumari (P1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle

from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import (
    CORRECT,
    INK,
    MUTED,
    WRONG,
    axes_in_inches,
    darker,
    saved_figure,
)
from ferjax.report.scores import check_confusion, ratio

_COLOUR_MAPS = {
    colour: LinearSegmentedColormap.from_list(colour, ["white", to_rgb(colour)])
    for colour in (CORRECT, WRONG)
}
# In inches: left, below and above the matrix; between the matrix and its margins.
_LEFT, _BELOW, _ABOVE, _MARGIN = 1.25, 0.95, 0.5, 0.12
_CORRECT_TEXT, _WRONG_TEXT = darker(CORRECT), darker(WRONG)
_CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}


def draw_confusion(confusion: np.ndarray, classes: Sequence[str], path: Path, title: str) -> None:
    """Draws the matrix: rows = true class, columns = predicted class.

    Each cell shows its count and its share of the row, which is also its shading: blue on the
    diagonal, orange elsewhere. The right margin shows the recall of each row, the lower
    margin the precision of each column, both above the share that was wrong; the corner shows the
    accuracy.

    Args:
      confusion: int [K, K], counts.
      classes: K class names, in the order of the rows.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      ValueError: the matrix is not [K, K] for these K classes.
      UserError: the file cannot be written.
    """
    matrix = check_confusion(confusion, classes)
    count, size = len(classes), 0.74 if len(classes) > 4 else 1.0
    side = count * size
    rows, columns, total = matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
    recall, precision = ratio(np.diag(matrix), rows), ratio(np.diag(matrix), columns)
    accuracy = float(ratio(np.trace(matrix), total))
    share = ratio(matrix, rows[:, None])
    width, height = _LEFT + side + _MARGIN + size + 0.35, _BELOW + size + _MARGIN + side + _ABOVE
    with saved_figure(path, width, height, title) as figure:
        axes = axes_in_inches(figure)
        right, margin_y, top = _LEFT + side + _MARGIN, _BELOW, _BELOW + size + _MARGIN + side
        for i in range(count):
            y = top - (i + 1) * size
            for j in range(count):
                colour = _COLOUR_MAPS[CORRECT if i == j else WRONG](share[i, j])
                text = f"{matrix[i, j]:,}", f"{100 * share[i, j]:.1f} %"
                _draw_cell(axes, _LEFT + j * size, y, size, colour, *text, i == j)
            _draw_rate(axes, right, y, size, float(recall[i]), rows[i] > 0)
            _draw_rate(axes, _LEFT + i * size, margin_y, size, float(precision[i]), columns[i] > 0)
            row, column = shorten(classes[i], 14), shorten(classes[i], 11)
            axes.text(_LEFT - 0.1, y + size / 2, row, ha="right", va="center")
            axes.text(_LEFT + (i + 0.5) * size, margin_y - 0.1, column, ha="center", va="top")
        _draw_rate(axes, right, margin_y, size, accuracy, total > 0, strong=True)
        _draw_axis_names(axes, side, size, right, margin_y)


def _draw_axis_names(axes: Axes, side: float, size: float, right: float, bottom: float) -> None:
    """Writes the names of the rows, columns and margins, and a note on the cells."""
    low, high = bottom + size / 2, bottom + size + _MARGIN + side
    texts: list[tuple[float, float, str, dict[str, Any]]] = [
        (0.22, high - side / 2, "true class", _CENTRED | {"rotation": 90}),
        (_LEFT + side / 2, bottom - 0.48, "predicted class", _CENTRED),
        (_LEFT - 0.1, low, "precision", _CENTRED | {"ha": "right"}),
        (right + size / 2, high + 0.12, "recall", _CENTRED),
        (right + size / 2, bottom - 0.1, "accuracy", _CENTRED | {"va": "top"}),
    ]
    for x, y, text, style in texts:
        axes.text(x, y, text, color=MUTED, **style)
    note = "cell: images, and their share of the true class, as is the shading"
    axes.text(_LEFT, 0.14, note, size=7, color=MUTED)


def _draw_cell(
    axes: Axes,
    x: float,
    y: float,
    size: float,
    colour: tuple[float, float, float, float],
    count: str,
    share: str,
    strong: bool,
) -> None:
    axes.add_patch(Rectangle((x, y), size, size, facecolor=colour, edgecolor="#E3E5E8", lw=0.8))
    middle, weight = x + size / 2, "bold" if strong else "normal"
    if count == "0":
        axes.text(middle, y + size / 2, "0", color="#B4B9BF", **_CENTRED)
        return
    luminance = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
    text_colour = "white" if luminance < 0.5 else INK
    axes.text(middle, y + 0.58 * size, count, color=text_colour, weight=weight, **_CENTRED)
    axes.text(middle, y + 0.3 * size, share, color=text_colour, size=7, **_CENTRED)


def _draw_rate(
    axes: Axes, x: float, y: float, size: float, rate: float, defined: bool, strong: bool = False
) -> None:
    fill = "#DEE2E6" if strong else "#F1F3F4"
    axes.add_patch(Rectangle((x, y), size, size, facecolor=fill, edgecolor="white", lw=1.2))
    middle = x + size / 2
    if not defined:
        axes.text(middle, y + size / 2, "–", color=MUTED, **_CENTRED)
        return
    correct, wrong = f"{100 * rate:.1f} %", f"{100 * (1 - rate):.1f} %"
    axes.text(middle, y + 0.58 * size, correct, color=_CORRECT_TEXT, weight="bold", **_CENTRED)
    axes.text(middle, y + 0.3 * size, wrong, color=_WRONG_TEXT, size=7, **_CENTRED)
