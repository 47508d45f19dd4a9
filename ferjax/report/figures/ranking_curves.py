"""ROC curves and curves of precision and recall as a figure, one line for each class."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ferjax.report.figures.epoch_axes import empty_axes, percent_axis
from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import MUTED, axes_at, class_colours, darker, saved_figure
from ferjax.report.ranking import precision_recall_curve, ranking_by_class, roc_curve

_SIDE = 3.7
_Curve = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray] | None]


def draw_ranking(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], path: Path, title: str
) -> None:
    """Draws the ROC and the precision-recall curve of each class against all others.

    The classes are listed with the areas under their curves, the highest first.

    Args:
      probabilities: float [N, K].
      labels: int [N].
      classes: K names.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    rows = ranking_by_class(probabilities, labels, classes)
    with saved_figure(path, 2 * _SIDE + 2.0, _SIDE + 1.25, title) as figure:
        roc, precision = (
            axes_at(figure, 0.7 + k * (_SIDE + 0.85), 0.55, _SIDE, _SIDE) for k in (0, 1)
        )
        areas = {row["class"]: row["roc_auc"] for row in rows}
        if _draw_panel(roc, probabilities, labels, classes, roc_curve, areas, right=True):
            roc.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
            roc.set(xlabel="false positive rate", ylabel="true positive rate")
            roc.set_title("ROC; the area under each curve")
        areas = {row["class"]: row["average_precision"] for row in rows}
        if _draw_panel(
            precision, probabilities, labels, classes, precision_recall_curve, areas, right=False
        ):
            precision.set(xlabel="recall", ylabel="precision")
            precision.set_title("Precision and recall; average precision")


def _draw_panel(
    axes: Axes,
    probabilities: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    curve_of: _Curve,
    areas: dict[str, float | None],
    *,
    right: bool,
) -> bool:
    """Draws the defined curves and the list of their areas; returns whether there are any."""
    colours = class_colours(classes)
    curves = {
        name: curve
        for k, name in enumerate(classes)
        if areas[name] is not None and (curve := curve_of(probabilities[:, k], labels == k))
    }
    if not curves:
        empty_axes(axes, "no emotion has both its own images and others")
        return False
    for name, (x, y) in curves.items():
        if not right:
            # Thresholds that find no further image of the class add nothing to the area.
            rises = np.diff(x, prepend=0.0) > 0
            x, y = x[rises], y[rises]
        steps = "default" if right else "steps-pre"
        axes.plot(x, y, color=colours[name], linewidth=1.4, drawstyle=steps, zorder=3)
    axes.grid(visible=True, axis="both")
    axes.set_xlim(0, 1)
    percent_axis(axes)
    axes.set_ylim(0, 1.01)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:.0f} %"))
    ordered = sorted(curves, key=lambda name: -float(areas[name] or 0))
    for line, name in enumerate(reversed(ordered)):
        axes.text(
            0.975 if right else 0.025,
            0.025 + 0.052 * line,
            f"{shorten(name, 14)}  {areas[name]:.3f}",
            color=darker(colours[name]),
            ha="right" if right else "left",
            size=7.5,
            bbox={"facecolor": "white", "alpha": 0.75, "pad": 0.8, "edgecolor": "none"},
            zorder=4,
        )
    return True
