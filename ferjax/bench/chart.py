"""The bar chart: times faster than each peer, on a scale where half and twice are equal."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from ferjax.bench.case import TORCH, XLA
from ferjax.bench.result import CaseResult, speedup
from ferjax.report.style import INK, MUTED, axes_at, darker, page

_COLOURS = {XLA: "#0072B2", TORCH: "#D55E00"}
_BAR, _LEFT, _WIDTH = 0.34, 2.5, 6.0


def draw_speedups(results: Sequence[CaseResult], path: Path, title: str) -> None:
    """Draws a pair of bars a case, from 1 to the right where ferjax is faster, else to the left.

    Args:
      results: from the top down.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    bars = [
        (row + (k - 0.5) * _BAR, math.log2(value), peer)
        for row, result in enumerate(results)
        for k, peer in enumerate(_COLOURS)
        if (value := speedup(result, peer))
    ]
    logs = [length for _, length, _ in bars]
    low, high = math.floor(min([-1, *logs])), math.ceil(max([1, *logs]))
    height = 0.42 * len(results)
    with page(path, _LEFT + _WIDTH + 0.4, height + 1.2, title) as figure:
        axes = axes_at(figure, _LEFT, 0.55, _WIDTH, height)
        for bar in bars:
            _draw_bar(axes, *bar)
        axes.set_xlim(low - 0.5, high + 0.5)
        _scale(axes, low, high)
        axes.set_ylim(len(results) - 0.45, -0.55)
        axes.set_yticks(range(len(results)), [result.name for result in results])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_xlabel("times faster than the peer (left of 1: slower)")
        handles = [axes.barh(0, 0, color=colour, label=peer) for peer, colour in _COLOURS.items()]
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(_LEFT / (_LEFT + _WIDTH + 0.4), 1 - 0.42 / (height + 1.2)),
            ncols=2,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
        )


def _draw_bar(axes: Axes, place: float, length: float, peer: str) -> None:
    axes.barh(place, length, height=0.9 * _BAR, color=_COLOURS[peer])
    axes.annotate(
        f"{2**length:.2g}" if 2**length < 10 else f"{2**length:.0f}",
        (length, place),
        xytext=(3 if length >= 0 else -3, 0),
        textcoords="offset points",
        ha="left" if length >= 0 else "right",
        va="center",
        size=7,
        color=darker(_COLOURS[peer]),
    )


def _scale(axes: Axes, low: int, high: int) -> None:
    step = max(1, math.ceil((high - low) / 10))
    axes.set_xticks([k for k in range(low, high + 1) if k % step == 0])
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda k, _: f"{2**k:.0f}" if k >= 0 else f"1/{2**-k:.0f}")
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
