"""Draws the price of each breach: a point with its interval, one row for each comparison."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from ferjax.report.figures.style import INK, MUTED, axes_at, saved_figure
from ferjax.reproduce.studies.prices import Price

_COLOURS = {"fer2013": "#0072B2", "ferplus": "#D55E00", "ckplus": "#009E73"}
_ROW, _LEFT, _WIDTH = 0.3, 3.3, 4.6


def draw_prices(prices: Sequence[Price], names: dict[str, str], path: Path, title: str) -> None:
    """Draws the prices in points, grouped by data set, with a line at 0.

    Args:
      prices: in the order of the rows, those of a data set together.
      names: data set → its name in the figure.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    sets = list(dict.fromkeys(price.comparison.dataset for price in prices))
    height = _ROW * (len(prices) + len(sets))
    with saved_figure(path, _LEFT + _WIDTH + 1.0, height + 1.25, title) as figure:
        axes = axes_at(figure, _LEFT, 0.6, _WIDTH, height)
        row = 0
        for dataset in sets:
            row += 1
            _heading(axes, -row, names.get(dataset, dataset), _COLOURS.get(dataset, INK))
            for price in prices:
                if price.comparison.dataset == dataset:
                    row += 1
                    _point(axes, -row, price, _COLOURS.get(dataset, INK))
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_ylim(-row - 0.6, -0.4)
        axes.set_yticks([])
        axes.grid(True, axis="x")
        axes.set_xlabel("accuracy above the honest number, in points, with 95 % interval")


def _heading(axes: Axes, y: float, name: str, colour: str) -> None:
    axes.annotate(name, (0, y), (-_LEFT * 72 + 14, 0), ("axes fraction", "data"), "offset points",
                  color=colour, weight="bold", va="center", annotation_clip=False)  # fmt: skip


def _point(axes: Axes, y: float, price: Price, colour: str) -> None:
    low, mean, high = (100 * value for value in (price.low, price.mean, price.high))
    axes.plot([low, high], [y, y], color=colour, linewidth=2)
    axes.plot([mean], [y], "o", color=colour, markersize=5.5)
    axes.plot([100 * one for one in price.by_seed], [y] * len(price.by_seed), "|", color=INK,
              markersize=6, markeredgewidth=0.8)  # fmt: skip
    axes.annotate(price.comparison.breach, (0, y), (-8, 0), ("axes fraction", "data"),
                  "offset points", ha="right", va="center", annotation_clip=False)  # fmt: skip
    axes.annotate(f"{mean:+.1f}", (1, y), (8, 0), ("axes fraction", "data"), "offset points",
                  va="center", annotation_clip=False)  # fmt: skip
