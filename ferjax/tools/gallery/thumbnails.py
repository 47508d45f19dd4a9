"""Small pictures of the gallery: accuracy curves as SVG points, confusion matrices as tiny PNGs."""

from collections.abc import Sequence

import numpy as np

from ferjax.report.html.embedded_pictures import embedded_pixels
from ferjax.tools.gallery.entry import Line

# Size of a curve, in the units of its drawing, and the most points of one line.
WIDTH, HEIGHT = 110, 44
_MAX_POINTS = 60
# Colours of a cell: without images of its true class, and with all of them on and off the diagonal.
_EMPTY = np.array([255, 255, 255])
_RIGHT, _WRONG = np.array([0, 114, 178]), np.array([213, 94, 0])
_MAX_CLASSES = 64


def curve_points(lines: Sequence[Line], last_epoch: float) -> list[str]:
    """Returns the `points` of an SVG polyline for each line; accuracies 0 to 1 fill the height."""
    drawn = []
    for line in lines:
        step = max(1, -(-len(line) // _MAX_POINTS))
        # The last point is always kept.
        samples = [*line[::-1][::step]][::-1]
        positions = (
            (
                2 + (WIDTH - 4) * epoch / max(last_epoch, 1),
                HEIGHT - 2 - (HEIGHT - 4) * min(max(value, 0.0), 1.0),
            )
            for epoch, value in samples
        )
        drawn.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in positions))
    return drawn


def confusion_thumbnail(confusion: Sequence[Sequence[int]]) -> str | None:
    """Returns a confusion matrix as a PNG data URI with one pixel for each cell.

    The depth of the colour is the cell's share of the true class: blue on the diagonal, orange
    elsewhere. The result is None for anything but a square matrix of counts, and for more than 64
    classes.
    """
    counts = np.array(confusion, float)
    if counts.ndim != 2 or len(set(counts.shape)) != 1 or not 0 < len(counts) <= _MAX_CLASSES:
        return None
    shares = (counts / np.maximum(counts.sum(1, keepdims=True), 1))[..., None]
    diagonal = np.eye(len(counts), dtype=bool)[..., None]
    full = np.where(diagonal, _RIGHT, _WRONG)
    # The square root makes rare mistakes visible.
    pixels = _EMPTY + np.sqrt(np.clip(shares, 0, 1)) * (full - _EMPTY)
    return embedded_pixels(pixels.round().astype(np.uint8))
