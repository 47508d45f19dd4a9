"""The picture: predicted efficiency against devices, a panel an interconnect."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ferjax.bench.scaling.break_points import (
    DEVICES,
    KEPT,
    LARGEST_BATCH,
    efficiency,
    shared_efficiency,
)
from ferjax.bench.scaling.hardware_numbers import FABRICS, Fabric
from ferjax.bench.scaling.measured_cases import PAPERS
from ferjax.bench.scaling.network_facts import Facts
from ferjax.report.figures.style import FAINT, INK, MUTED, axes_at, saved_figure

Efficiency = Callable[[Facts, Fabric, int], float]

_COUNTS = (1, 2, 4, *DEVICES)
# Okabe and Ito's, as in the other figures.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
_PANEL, _HIGH, _GAP, _LEFT, _LEGEND = 2.1, 1.75, 0.28, 0.85, 1.45


def draw_efficiency(networks: Sequence[Facts], path: Path, title: str) -> None:
    """Draws two rows of panels: the recipe's batch on each device, and one batch shared by all.

    Args:
      networks: one line each.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    # The papers' are solid; their kin, which lie close to them, are dashed behind.
    networks = sorted(networks, key=lambda facts: facts.model not in PAPERS)
    rows: list[tuple[str, Efficiency]] = [
        ("the recipe's batch on each device", efficiency),
        (
            f"{LARGEST_BATCH:,} images a step, or all there are, shared by all devices",
            shared_efficiency,
        ),
    ]
    width = _LEFT + len(FABRICS) * (_PANEL + _GAP) + _LEGEND
    height = 1.0 + len(rows) * (_HIGH + 0.62)
    with saved_figure(path, width, height, title) as figure:
        for row, (words, kept) in enumerate(rows):
            bottom = height - 0.98 - _HIGH - row * (_HIGH + 0.62)
            for column, fabric in enumerate(FABRICS):
                left = _LEFT + column * (_PANEL + _GAP)
                axes = axes_at(figure, left, bottom, _PANEL, _HIGH)
                _draw_panel(axes, networks, fabric, kept)
                if row == 0:
                    axes.set_title(fabric.name, pad=20)
                if column == 0:
                    axes.text(0, 1.05, words, transform=axes.transAxes, color=INK, size=8)
                else:
                    axes.set_yticklabels([])
                if row == len(rows) - 1:
                    axes.set_xlabel("devices")
        figure.text(0.2 / width, 0.5, "efficiency", rotation=90, va="center", color=MUTED, size=8.5)
        handles = [
            Line2D([], [], color=colour, linestyle=line, label=facts.model)
            for facts, (colour, line) in zip(networks, _styles(len(networks)), strict=True)
        ]
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1 - (_LEGEND - 0.05) / width, 1 - 0.9 / height),
            frameon=False,
            borderpad=0,
            handlelength=1.6,
        )


def _draw_panel(axes: Axes, networks: Sequence[Facts], fabric: Fabric, kept: Efficiency) -> None:
    axes.axhline(KEPT, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    for facts, (colour, line) in zip(networks, _styles(len(networks)), strict=True):
        solid = line == "-"
        axes.plot(
            _COUNTS,
            [kept(facts, fabric, n) for n in _COUNTS],
            color=colour,
            linestyle=line,
            linewidth=1.5 if solid else 0.9,
            zorder=3 if solid else 2,
        )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([1, 8, 64, 512]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:.0f}"))
    axes.set_xlim(1, max(_COUNTS))
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20 %", "40 %", "60 %", "80 %", "100 %"])


def _styles(count: int) -> list[tuple[str, Literal["-", "--", ":"]]]:
    """Returns a colour and a line for each network."""
    lines: tuple[Literal["-", "--", ":"], ...] = ("-", "--", ":")
    pairs = itertools.product(lines, _COLOURS)
    return [(colour, line) for line, colour in itertools.islice(pairs, count)]
