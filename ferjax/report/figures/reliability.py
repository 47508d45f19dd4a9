"""Reliability diagram as a figure: accuracy against confidence, and a histogram of confidence.

References:
  Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ferjax.report.confidence_bins import error_of_bins
from ferjax.report.figures.epoch_axes import empty_axes, percent_axis
from ferjax.report.figures.style import CORRECT, FAINT, MUTED, WRONG, axes_at, saved_figure
from ferjax.report.intervals import wilson_interval

# In inches: the square of the diagram, and the histogram below it.
_SIDE, _BARS = 3.6, 0.9


def draw_reliability(bins: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Draws the accuracy of each bin of confidence, with its 95 % interval, beside the diagonal.

    On the diagonal, 80 % of the images with a confidence of 80 % are right. Below it, in orange,
    the network is overconfident. The lower panel shows the share of the images in each bin.

    Args:
      bins: as `ferjax.report.calibration.reliability_bins` returns them.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    filled = [row for row in bins if row["count"]]
    with saved_figure(path, _SIDE + 1.05, _SIDE + _BARS + 1.5, title) as figure:
        axes = axes_at(figure, 0.75, _BARS + 0.9, _SIDE, _SIDE)
        if not filled:
            empty_axes(axes, "no image evaluated")
            return
        _draw_bins(axes, filled)
        _draw_shares(axes_at(figure, 0.75, 0.55, _SIDE, _BARS), bins)


def _draw_bins(axes: Axes, filled: Sequence[Mapping[str, Any]]) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    for row in filled:
        confidence, accuracy = row["confidence"], row["accuracy"]
        colour = WRONG if accuracy < confidence else CORRECT
        low, high = wilson_interval(round(accuracy * row["count"]), row["count"])
        axes.plot([confidence] * 2, [low, high], color=colour, linewidth=1.2, alpha=0.55)
        axes.plot(confidence, accuracy, "o", color=colour, markersize=5.5, clip_on=False, zorder=3)
    axes.set(xlim=(0, 1), ylabel="accuracy")
    axes.set_xticks(np.linspace(0, 1, 6), [])
    axes.grid(visible=True, axis="both")
    percent_axis(axes)
    counts = np.array([row["count"] for row in filled])
    confidence, accuracy = (
        float(np.dot(counts, [row[name] for row in filled]) / counts.sum())
        for name in ("confidence", "accuracy")
    )
    note = (
        f"calibration error {100 * error_of_bins(filled):.1f} %\n"
        f"mean confidence {100 * confidence:.1f} %\naccuracy {100 * accuracy:.1f} %"
    )
    axes.text(0.03, 0.97, note, va="top", linespacing=1.5)
    axes.text(0.98, 0.03, "overconfident", color=WRONG, ha="right", size=7.5)
    axes.text(0.03, 0.72, "underconfident", color=CORRECT, size=7.5)


def _draw_shares(axes: Axes, bins: Sequence[Mapping[str, Any]]) -> None:
    counts = np.array([row["count"] for row in bins])
    middles = [(row["low"] + row["high"]) / 2 for row in bins]
    width = bins[0]["high"] - bins[0]["low"]
    axes.bar(middles, counts / counts.sum(), width=0.86 * width, color="#9AA0A6")
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.set(xlim=(0, 1), xlabel="confidence: probability of the most probable class")
    axes.set_ylabel("images")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:.0f} %"))
    percent_axis(axes, 0.0, 1.08 * float(counts.max() / counts.sum()))
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
