"""The confusion matrix with counts, percentages and margins, as Kumari (P1) shows it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle

from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import INK, MUTED, RIGHT, WRONG, darker, page, sheet
from ferjax.report.scores import check_confusion, ratio

_MAPS = {
    colour: LinearSegmentedColormap.from_list(colour, ["white", to_rgb(colour)])
    for colour in (RIGHT, WRONG)
}
_LEFT, _BELOW, _ABOVE, _MARGIN = 1.25, 0.95, 0.5, 0.12
_RIGHT_INK, _WRONG_INK = darker(RIGHT), darker(WRONG)
_CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}


def draw_confusion(confusion: np.ndarray, classes: Sequence[str], path: Path, title: str) -> None:
    """Draws the matrix: rows = true class, columns = predicted class.

    Each cell holds its count and its share of all images, and is shaded by its share of the row:
    blue on the diagonal, orange off it. The right margin is each row's recall, the lower one each
    column's precision, both over the share that was wrong; the corner is the accuracy.

    Args:
      confusion: int [K, K], counts.
      classes: K names, in the order of the rows.
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
    shade, share = ratio(matrix, rows[:, None]), ratio(matrix, total)
    width, height = _LEFT + side + _MARGIN + size + 0.35, _BELOW + size + _MARGIN + side + _ABOVE
    with page(path, width, height, title) as figure:
        axes = sheet(figure)
        right, margin_y, top = _LEFT + side + _MARGIN, _BELOW, _BELOW + size + _MARGIN + side
        for i in range(count):
            y = top - (i + 1) * size
            for j in range(count):
                colour = _MAPS[RIGHT if i == j else WRONG](shade[i, j])
                text = f"{matrix[i, j]:,}", f"{100 * share[i, j]:.1f} %"
                _cell(axes, _LEFT + j * size, y, size, colour, *text, i == j)
            _rate(axes, right, y, size, float(recall[i]), rows[i] > 0)
            _rate(axes, _LEFT + i * size, margin_y, size, float(precision[i]), columns[i] > 0)
            row, column = shorten(classes[i], 14), shorten(classes[i], 11)
            axes.text(_LEFT - 0.1, y + size / 2, row, ha="right", va="center")
            axes.text(_LEFT + (i + 0.5) * size, margin_y - 0.1, column, ha="center", va="top")
        _rate(axes, right, margin_y, size, accuracy, total > 0, strong=True)
        _names(axes, side, size, right, margin_y)


def _names(axes: Axes, side: float, size: float, right: float, bottom: float) -> None:
    low, high = bottom + size / 2, bottom + size + _MARGIN + side
    names: list[tuple[float, float, str, dict[str, Any]]] = [
        (0.22, high - side / 2, "true class", _CENTRED | {"rotation": 90}),
        (_LEFT + side / 2, bottom - 0.48, "predicted class", _CENTRED),
        (_LEFT - 0.1, low, "precision", _CENTRED | {"ha": "right"}),
        (right + size / 2, high + 0.12, "recall", _CENTRED),
        (right + size / 2, bottom - 0.1, "accuracy", _CENTRED | {"va": "top"}),
    ]
    for x, y, text, style in names:
        axes.text(x, y, text, color=MUTED, **style)
    note = "cell: images and share of all · shading: share of the true class"
    axes.text(_LEFT, 0.14, note, size=7, color=MUTED)


def _cell(
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
    ink = "white" if luminance < 0.5 else INK
    axes.text(middle, y + 0.58 * size, count, color=ink, weight=weight, **_CENTRED)
    axes.text(middle, y + 0.3 * size, share, color=ink, size=7, **_CENTRED)


def _rate(
    axes: Axes, x: float, y: float, size: float, rate: float, known: bool, strong: bool = False
) -> None:
    fill = "#DEE2E6" if strong else "#F1F3F4"
    axes.add_patch(Rectangle((x, y), size, size, facecolor=fill, edgecolor="white", lw=1.2))
    middle = x + size / 2
    if not known:
        axes.text(middle, y + size / 2, "–", color=MUTED, **_CENTRED)
        return
    right, wrong = f"{100 * rate:.1f} %", f"{100 * (1 - rate):.1f} %"
    axes.text(middle, y + 0.58 * size, right, color=_RIGHT_INK, weight="bold", **_CENTRED)
    axes.text(middle, y + 0.3 * size, wrong, color=_WRONG_INK, size=7, **_CENTRED)
