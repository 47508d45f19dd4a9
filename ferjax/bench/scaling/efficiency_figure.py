"""Figure of predicted scaling efficiency against the number of devices, a panel per cluster."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ferjax.bench.scaling.cluster_hardware import CLUSTERS, Cluster
from ferjax.bench.scaling.efficient_device_counts import (
    DEVICES,
    KEPT,
    LARGEST_BATCH,
    strong_efficiency,
    weak_efficiency,
)
from ferjax.bench.scaling.scaling_cases import PAPERS
from ferjax.bench.scaling.step_costs import StepCosts
from ferjax.report.figures.style import FAINT, INK, saved_figure

_ROWS: dict[str, Callable[[StepCosts, Cluster, int], float]] = {
    "the recipe's batch on each device": weak_efficiency,
    f"{LARGEST_BATCH:,} images per step, or all there are, shared by all devices": (
        strong_efficiency
    ),
}
_COUNTS = (1, 2, 4, *DEVICES)
# The colours of Okabe and Ito, as in the other figures.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")


def draw_efficiency(networks: Sequence[StepCosts], path: Path, title: str) -> None:
    """Draws two rows of panels: weak scaling and strong scaling, one line per network.

    Args:
      networks: one line each; lines of the papers' networks are solid, others dashed or dotted.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    networks = sorted(networks, key=lambda costs: costs.model not in PAPERS)
    with saved_figure(path, 14.2, 5.75, title) as figure:
        panels = figure.subplots(len(_ROWS), len(CLUSTERS), sharex=True, sharey=True)
        figure.subplots_adjust(0.06, 0.1, 0.89, 0.82, wspace=0.12, hspace=0.35)
        for row, (caption, efficiency) in zip(panels, _ROWS.items(), strict=True):
            row[0].text(0, 1.05, caption, transform=row[0].transAxes, color=INK, size=8)
            row[0].set_ylabel("efficiency")
            for axes, cluster in zip(row, CLUSTERS, strict=True):
                _draw_panel(axes, networks, cluster, efficiency)
        for axes, cluster in zip(panels[0], CLUSTERS, strict=True):
            axes.set_title(cluster.name, pad=20)
        for axes in panels[-1]:
            axes.set_xlabel("devices")
        lines = panels[0][0].get_lines()[1:]
        figure.legend(handles=lines, loc="upper left", bbox_to_anchor=(0.9, 0.85), frameon=False)


def _draw_panel(
    axes: Axes,
    networks: Sequence[StepCosts],
    cluster: Cluster,
    efficiency: Callable[[StepCosts, Cluster, int], float],
) -> None:
    axes.axhline(KEPT, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    styles = itertools.product(("-", "--", ":"), _COLOURS)
    for costs, (line, colour) in zip(networks, styles, strict=False):
        solid = line == "-"
        axes.plot(
            _COUNTS,
            [efficiency(costs, cluster, n) for n in _COUNTS],
            color=colour,
            linestyle=line,
            linewidth=1.5 if solid else 0.9,
            zorder=3 if solid else 2,
            label=costs.model,
        )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([1, 8, 64, 512]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:.0f}"))
    axes.set_xlim(1, max(_COUNTS))
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20 %", "40 %", "60 %", "80 %", "100 %"])
