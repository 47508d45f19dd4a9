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
from ferjax.report.figures.style import FAINT, INK, MUTED, axes_at, page

_ROWS: dict[str, Callable[[StepCosts, Cluster, int], float]] = {
    "the recipe's batch on each device": weak_efficiency,
    f"{LARGEST_BATCH:,} images per step, or all there are, shared by all devices": (
        strong_efficiency
    ),
}
_COUNTS = (1, 2, 4, *DEVICES)
# The colours of Okabe and Ito, as in the other figures.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
_PANEL, _HIGH, _GAP, _LEFT, _LEGEND = 2.1, 1.75, 0.28, 0.85, 1.45


def draw_efficiency(networks: Sequence[StepCosts], path: Path, title: str) -> None:
    """Draws two rows of panels: weak scaling and strong scaling, one line per network.

    Args:
      networks: one line each; those of the papers are solid, the others dashed or dotted.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    networks = sorted(networks, key=lambda costs: costs.model not in PAPERS)
    width = _LEFT + len(CLUSTERS) * (_PANEL + _GAP) + _LEGEND
    height = 1.0 + len(_ROWS) * (_HIGH + 0.62)
    with page(path, width, height, title) as figure:
        for row, (words, efficiency) in enumerate(_ROWS.items()):
            bottom = height - 0.98 - _HIGH - row * (_HIGH + 0.62)
            for column, cluster in enumerate(CLUSTERS):
                left = _LEFT + column * (_PANEL + _GAP)
                axes = axes_at(figure, left, bottom, _PANEL, _HIGH)
                _draw_panel(axes, networks, lambda c, n, f=efficiency, k=cluster: f(c, k, n))
                if row == 0:
                    axes.set_title(cluster.name, pad=20)
                else:
                    axes.set_xlabel("devices")
                if column == 0:
                    axes.text(0, 1.05, words, transform=axes.transAxes, color=INK, size=8)
                else:
                    axes.set_yticklabels([])
        figure.text(0.2 / width, 0.5, "efficiency", rotation=90, va="center", color=MUTED, size=8.5)
        figure.legend(
            handles=figure.axes[0].get_lines()[1:],
            loc="upper left",
            bbox_to_anchor=(1 - (_LEGEND - 0.05) / width, 1 - 0.9 / height),
            frameon=False,
            borderpad=0,
            handlelength=1.6,
        )


def _draw_panel(
    axes: Axes, networks: Sequence[StepCosts], efficiency: Callable[[StepCosts, int], float]
) -> None:
    axes.axhline(KEPT, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    styles = itertools.product(("-", "--", ":"), _COLOURS)
    for costs, (line, colour) in zip(networks, styles, strict=False):
        solid = line == "-"
        axes.plot(
            _COUNTS,
            [efficiency(costs, n) for n in _COUNTS],
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
