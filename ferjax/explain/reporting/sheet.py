"""Sheets: faces beside their overlays, in rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferjax.explain.overlay import LEGEND, legible_overlay
from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import INK, MUTED, axes_in_inches, saved_figure

# In inches: margin, side of a picture, gap between two faces, height of the captions and title.
_EDGE, _SIDE, _GAP, _CAPTION, _TOP = 0.2, 0.85, 0.12, 0.34, 0.5
# Side of a picture in the figure, in pixels.
_PIXELS = 128


@dataclass(frozen=True)
class Shown:
    """A face of a sheet.

    Attributes:
      face: uint8 [H, W, 1 or 3].
      heat: float [H, W] in [0, 1].
      caption: first line below it.
      name: second line, such as the file.
    """

    face: np.ndarray
    heat: np.ndarray
    caption: str
    name: str = ""


def draw_sheet(
    rows: Sequence[tuple[str, Sequence[Shown]]], path: Path, title: str, columns: int = 6
) -> None:
    """Draws rows of faces, each face beside its overlay.

    Args:
      rows: (label, faces) of each row; at most `columns` faces are drawn.
      path: the PNG to write.
      title: title of the figure.
      columns: number of faces in a row.

    Raises:
      UserError: the file cannot be written.
    """
    label_width = 0.8 if any(label for label, _ in rows) else 0.0
    step = 2 * _SIDE + _GAP
    width = 2 * _EDGE + label_width + columns * step - _GAP
    height = _TOP + len(rows) * (_SIDE + _CAPTION + 0.06) + 0.25
    with saved_figure(path, width, height, title) as figure:
        axes = axes_in_inches(figure)
        limits = axes.get_xlim(), axes.get_ylim()
        for number, (label, faces) in enumerate(rows):
            bottom = height - _TOP - number * (_SIDE + _CAPTION + 0.06) - _SIDE
            axes.text(_EDGE, bottom + _SIDE / 2, label, size=8, weight="bold", va="center")
            for column, shown in enumerate(faces[:columns]):
                left = _EDGE + label_width + column * step
                pictures = (as_picture(shown.face), legible_overlay(shown.face, shown.heat))
                for k, picture in enumerate(pictures):
                    x = left + k * _SIDE
                    extent = (x, x + _SIDE, bottom, bottom + _SIDE)
                    axes.imshow(_thumbnail(picture), extent=extent, aspect="auto")
                style: dict[str, Any] = {"va": "top", "ha": "left"}
                axes.text(
                    left, bottom - 0.04, shorten(shown.caption, 31), size=7, color=INK, **style
                )
                name = shorten(shown.name, 40, tail=True)
                axes.text(left, bottom - 0.19, name, size=5.5, color=MUTED, **style)
        axes.text(_EDGE, 0.1, LEGEND, size=6.5, color=MUTED, va="bottom")
        axes.set(xlim=limits[0], ylim=limits[1])


def as_picture(face: np.ndarray) -> np.ndarray:
    """Returns uint8 [H, W, 3] of a grey or RGB face."""
    return np.broadcast_to(face, (*face.shape[:2], 3))


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((_PIXELS, _PIXELS), Image.Resampling.BICUBIC))
