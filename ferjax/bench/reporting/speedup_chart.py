"""Bar chart of speed-ups over the peers, on a logarithmic scale."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from ferjax.bench.measuring.case import TORCH, XLA
from ferjax.bench.measuring.case_result import CaseResult, peers_of, speedup
from ferjax.report.figures.style import INK, MUTED, axes_at, darker, saved_figure

_COLOURS = {XLA: "#0072B2", TORCH: "#D55E00"}
# Colours of the other peers, in their order.
_OTHER_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Share of a row that its bars fill; left margin and width of the axes in inches.
_BARS, _LEFT, _WIDTH = 0.68, 2.5, 6.0


def draw_speedups(results: Sequence[CaseResult], path: Path, title: str) -> None:
    """Draws one bar per case and peer, to the right of 1 where ferjax is faster, else to the left.

    Args:
      results: the results, from top to bottom.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    peers, other_colours = peers_of(results), itertools.cycle(_OTHER_COLOURS)
    colours = {peer: _COLOURS.get(peer) or next(other_colours) for peer in peers}
    bars = [bar for row, result in enumerate(results) for bar in _bars(row, result, peers)]
    logs = [bar.log for bar in bars]
    low, high = math.floor(min([-1, *logs])), math.ceil(max([1, *logs]))
    height = 0.42 * len(results)
    with saved_figure(path, _LEFT + _WIDTH + 0.4, height + 1.2, title) as figure:
        axes = axes_at(figure, _LEFT, 0.55, _WIDTH, height)
        for bar in bars:
            _draw_bar(axes, bar, colours[bar.peer])
        axes.set_xlim(low - 0.5, high + 0.5)
        _label_axis(axes, low, high)
        axes.set_ylim(len(results) - 0.45, -0.55)
        axes.set_yticks(range(len(results)), [result.name for result in results])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_xlabel("times faster than the peer (left of 1: slower)")
        handles = [axes.barh(0, 0, color=colour, label=peer) for peer, colour in colours.items()]
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(_LEFT / (_LEFT + _WIDTH + 0.4), 1 - 0.42 / (height + 1.2)),
            ncols=max(1, len(peers)),
            frameon=False,
            borderpad=0,
            borderaxespad=0,
        )


class _Bar(NamedTuple):
    """Position and height of a bar, the base-2 logarithm of its ratio, and the peer."""

    position: float
    height: float
    log: float
    peer: str


def _bars(row: int, result: CaseResult, peers: Sequence[str]) -> list[_Bar]:
    ratios = {peer: value for peer in peers if (value := speedup(result, peer))}
    height, middle = _BARS / max(2, len(ratios)), (len(ratios) - 1) / 2
    return [
        _Bar(row + (k - middle) * height, height, math.log2(value), peer)
        for k, (peer, value) in enumerate(ratios.items())
    ]


def _draw_bar(axes: Axes, bar: _Bar, colour: str) -> None:
    axes.barh(bar.position, bar.log, height=0.9 * bar.height, color=colour)
    axes.annotate(
        f"{2**bar.log:.2g}" if 2**bar.log < 10 else f"{2**bar.log:.0f}",
        (bar.log, bar.position),
        xytext=(3 if bar.log >= 0 else -3, 0),
        textcoords="offset points",
        ha="left" if bar.log >= 0 else "right",
        va="center",
        size=7,
        color=darker(colour),
    )


def _label_axis(axes: Axes, low: int, high: int) -> None:
    step = max(1, math.ceil((high - low) / 10))
    axes.set_xticks([k for k in range(low, high + 1) if k % step == 0])
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda k, _: f"{2**k:.0f}" if k >= 0 else f"1/{2**-k:.0f}")
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
