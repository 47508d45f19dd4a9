"""The picture of a matrix: accuracy and balanced accuracy of every network on every data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle

from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import CORRECT, INK, MUTED, WRONG, axes_in_inches, saved_figure
from ferjax.tools.cross_data_sets.cells import OTHER, WITHIN, Cell

_COLOURS = LinearSegmentedColormap.from_list("accuracy", ["white", to_rgb(CORRECT)])
# In inches: a cell, the names of the rows, of the columns, the title, the space between panels.
_WIDTH, _HEIGHT, _LEFT, _ABOVE, _TITLE, _GAP = 1.25, 0.62, 2.1, 0.62, 0.5, 0.35
_BELOW = 0.62


def draw_matrix(
    cells: Mapping[tuple[str, str], Cell],
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draws two panels, accuracy above balanced accuracy; the shade of a cell shows its score.

    Each cell holds the score, its 95 % interval and the number of images. A solid frame marks a
    network on the data set that it was trained on, a dashed frame the same faces with other labels.

    Args:
      cells: (row, column) → cell.
      rows: names of the networks.
      columns: names of the data sets.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    panel = _ABOVE + len(rows) * _HEIGHT
    width = max(_LEFT + len(columns) * _WIDTH + 0.35, 5.2)
    height = _TITLE + 2 * panel + _GAP + _BELOW
    with saved_figure(path, width, height, title) as figure:
        axes = axes_in_inches(figure)
        for k, name in enumerate(("accuracy", "balanced accuracy")):
            top = height - _TITLE - k * (panel + _GAP)
            axes.text(0.2, top - 0.2, name, weight="bold", va="center")
            for j, column in enumerate(columns):
                x = _LEFT + (j + 0.5) * _WIDTH
                place, _, split = column.rpartition(" ")
                axes.text(x, top - 0.26, shorten(place, 16), ha="center", va="center")
                axes.text(x, top - 0.47, split, ha="center", va="center", size=7.5, color=MUTED)
            for i, row in enumerate(rows):
                y = top - _ABOVE - (i + 1) * _HEIGHT
                label = shorten(row, 26, tail=True)
                axes.text(_LEFT - 0.12, y + _HEIGHT / 2, label, ha="right", va="center")
                for j, column in enumerate(columns):
                    _draw_cell(axes, _LEFT + j * _WIDTH, y, cells[row, column], balanced=k == 1)
        _draw_key(axes)


def _draw_cell(axes: Axes, x: float, y: float, cell: Cell, *, balanced: bool) -> None:
    value = cell.balanced_accuracy if balanced else cell.accuracy
    low, high = cell.balanced_accuracy_interval if balanced else cell.accuracy_interval
    colour = _COLOURS(value)
    axes.add_patch(Rectangle((x, y), _WIDTH, _HEIGHT, facecolor=colour, edgecolor="white", lw=1.5))
    luminance = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
    ink, middle = "white" if luminance < 0.5 else INK, x + _WIDTH / 2
    axes.text(middle, y + 0.7 * _HEIGHT, f"{100 * value:.1f} %", color=ink, weight="bold",
              ha="center", va="center")  # fmt: skip
    interval = f"{100 * low:.1f} – {100 * high:.1f}"
    axes.text(middle, y + 0.42 * _HEIGHT, interval, color=ink, size=7, ha="center", va="center")
    images = f"n = {cell.count:,}"
    axes.text(middle, y + 0.19 * _HEIGHT, images, color=ink, size=7, ha="center", va="center")
    if cell.relation != OTHER:
        _draw_frame(axes, x, y, dashed=cell.relation != WITHIN)


def _draw_frame(axes: Axes, x: float, y: float, *, dashed: bool) -> None:
    style = (0, (3, 2)) if dashed else "solid"
    place, width, height = (x + 0.035, y + 0.035), _WIDTH - 0.07, _HEIGHT - 0.07
    axes.add_patch(
        Rectangle(place, width, height, fill=False, edgecolor=WRONG, lw=1.6, linestyle=style)
    )


def _draw_key(axes: Axes) -> None:
    lines = (
        "n: images scored, of the classes that both have. Below a number its 95 % interval.",
        "Solid frame: the data set that the network was trained on; dashed: the same faces, other"
        " labels.",
    )
    for k, line in enumerate(lines):
        axes.text(0.2, 0.36 - 0.18 * k, line, size=7, color=MUTED, va="center")
