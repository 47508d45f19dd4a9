"""The figure of mean deletion and insertion curves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist

from ferjax.explain.compare_maps import ANOTHER_FACE, GAUSSIAN, PATCHES, PIXELS, Curves
from ferjax.explain.replaced_pixels import FILLS
from ferjax.report.figures.style import FAINT, MUTED, axes_at, saved_figure

# Okabe and Ito's colours for the methods, and dashes for the controls.
_COLOURS = {
    "gradcam": "#D55E00",
    "gradcam++": "#E69F00",
    "layercam": "#009E73",
    "smoothgrad": "#CC79A7",
    "integrated_gradients": "#56B4E9",
    "occlusion": "#0072B2",
}
_DASHES = {GAUSSIAN: "--", PATCHES: ":", PIXELS: "-."}
_FILL_NAMES = {"mean": "mean colour", "blur": "blurred face"}
_WIDTH, _HEIGHT = 3.3, 2.3


def draw_curves(curves: Mapping[str, Curves], path: Path, title: str) -> None:
    """Draws the mean curves of all faces: deletion left, insertion right, a row for each fill.

    Args:
      curves: curves of controls and methods by name; those of another face are left out.
      path: the PNG to write.
      title: title of the figure.

    Raises:
      UserError: the file cannot be written.
    """
    fills = list(FILLS)
    height = 0.75 + len(fills) * (_HEIGHT + 0.85) + 0.5
    with saved_figure(path, 2 * _WIDTH + 1.5, height, title) as figure:
        handles: dict[str, Artist] = {}
        for row, fill in enumerate(fills):
            bottom = height - 0.75 - (row + 1) * _HEIGHT - row * 0.85
            for column, kind in enumerate(("deletion", "insertion")):
                axes = axes_at(figure, 0.55 + column * (_WIDTH + 0.5), bottom, _WIDTH, _HEIGHT)
                axes.set_title(f"{kind}, {_FILL_NAMES[fill]}")
                for name, face_curves in curves.items():
                    if name.endswith(ANOTHER_FACE):
                        continue
                    mean = face_curves.values[fill][column].mean(0)
                    share = np.linspace(0, 1, len(mean))
                    style = {"color": MUTED, "linestyle": _DASHES.get(name), "linewidth": 1.1}
                    if name in _COLOURS:
                        style = {"color": _COLOURS[name], "linestyle": "-", "linewidth": 1.5}
                    (handles[name],) = axes.plot(share, mean, **style)
                axes.set(xlim=(0, 1), ylim=(0, None))
                axes.set_xlabel(f"share of pixels {'deleted' if column == 0 else 'inserted'}")
                if column == 0:
                    axes.set_ylabel("probability of the emotion")
        legend = figure.legend(
            list(handles.values()), list(handles), loc="lower center", ncol=5, fontsize=7
        )
        legend.get_frame().set_edgecolor(FAINT)
