"""Curves over epochs from the lines of `metrics.jsonl`, and the epoch and percent axes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator


class Series(NamedTuple):
    """A curve: two float arrays [n], `epochs` (ascending, unique) and `values`."""

    epochs: np.ndarray
    values: np.ndarray


def series_from_lines(
    lines: Sequence[Mapping[str, Any]], split: str, value: Callable[[Mapping[str, Any]], Any]
) -> Series:
    """Returns the curve of `value(line)` over the epochs of one split.

    The last line of an epoch counts. Lines whose value is None or not finite are left out.
    """
    by_epoch: dict[float, float] = {}
    for line in lines:
        number = value(line) if line.get("split") == split else None
        if number is not None and math.isfinite(number):
            by_epoch[float(line["epoch"])] = float(number)
    epochs = sorted(by_epoch)
    return Series(np.array(epochs, float), np.array([by_epoch[epoch] for epoch in epochs], float))


def draw_series(axes: Axes, curve: Series, colour: str, width: float, **style: Any) -> None:
    """Draws a curve as a line, with a dot at every epoch where there are at most 25."""
    marker = "o" if len(curve.epochs) <= 25 else ""
    axes.plot(*curve, color=colour, linewidth=width, marker=marker, markersize=width + 1.6, **style)


def epoch_axis(axes: Axes, curves: Sequence[Series]) -> None:
    """Fits the x axis to all curves, with ticks at whole epochs, and labels it."""
    epochs = np.concatenate([curve.epochs for curve in curves])
    first, last = (epochs.min(), epochs.max()) if len(epochs) else (1.0, 1.0)
    # The right margin is small because the labels follow directly after the lines.
    length = (last - first) or 1.0
    axes.set_xlim(first - 0.03 * length, last + 0.012 * length)
    if first == last:
        axes.set_xlim(first - 0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")


def percent_axis(axes: Axes, low: float = 0.0, high: float = 1.0) -> None:
    """Scales the y axis to rates between `low` and `high`, printed as exact percentages."""
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    # Half percents are not rounded: otherwise two ticks could have the same label.
    formatter = FuncFormatter(lambda rate, _: f"{round(100 * rate, 6) + 0.0:g} %")
    axes.yaxis.set_major_formatter(formatter)


def empty_axes(axes: Axes, message: str) -> None:
    """Writes `message` in the middle of axes that have no data."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", alpha=0.6)
