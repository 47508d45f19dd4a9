"""Walls of faces: what a batch looks like to the network, and what it got wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import INK, MUTED, class_colours, darker, page, sheet

BATCH_LIMIT, MISTAKES_LIMIT = 32, 24
_EDGE, _GAP, _TOP, _BOTTOM = 0.2, 0.1, 0.55, 0.1
# Drawn at a whole multiple, 72 px keeps even a wall of colour photographs within SIZE_LIMIT.
_PIXELS = 72


class _Wall(NamedTuple):
    """How a wall of faces is laid out, in inches."""

    columns: int
    side: float
    caption: float

    @property
    def width(self) -> float:
        return 2 * _EDGE + self.columns * (self.side + _GAP) - _GAP

    def height(self, count: int) -> float:
        rows = -(-count // self.columns)
        return _TOP + rows * (self.side + self.caption + _GAP) + _BOTTOM

    def corner(self, k: int, count: int) -> tuple[float, float]:
        """Returns left and bottom of face `k`, row by row from the top."""
        row, column = divmod(k, self.columns)
        top = self.height(count) - _TOP - row * (self.side + self.caption + _GAP)
        return _EDGE + column * (self.side + _GAP), top - self.side


_BATCH = _Wall(columns=8, side=0.9, caption=0.25)
_MISTAKES = _Wall(columns=6, side=1.35, caption=0.5)


def draw_batch(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str], path: Path, title: str
) -> None:
    """Draws the first 32 images of a batch with their labels.

    Args:
      images: float [B, H, W, C] in display range [0, 1] (values outside are clipped); C is 1 or 3.
      labels: int [B], indexes into `classes`.
      classes: the class list.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    shown = np.clip(np.asarray(images[:BATCH_LIMIT], np.float32), 0, 1)
    colours = class_colours(classes)
    count = len(shown)
    with page(path, _BATCH.width, _BATCH.height(count), title) as figure:
        axes = sheet(figure)
        for k, image in enumerate(shown):
            name = classes[int(labels[k])]
            x, y = _BATCH.corner(k, count)
            _face(axes, (255 * image).round().astype(np.uint8), x, y, _BATCH.side, colours[name])
            _caption(axes, x, y - 0.06, name, 16)


def draw_mistakes(
    images: np.ndarray,
    true: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    ids: Sequence[str],
    classes: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draws the first 24 mistakes; the caller sorts them, the most confident first.

    Args:
      images: uint8 [M, H, W, C]; C is 1 or 3. M = 0 draws a page that says so.
      true: int [M], indexes into `classes`.
      predicted: int [M], indexes into `classes`.
      confidence: float [M], probability of the predicted class, in [0, 1].
      ids: M names a person can find the images by.
      classes: the class list.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    count = min(len(images), MISTAKES_LIMIT)
    if not count:
        with page(path, _MISTAKES.width, 1.6, title) as figure:
            note = "No mistakes: every image of this split was recognised."
            sheet(figure).text(
                _MISTAKES.width / 2, 0.7, note, ha="center", va="center", color=MUTED
            )
        return
    colours = class_colours(classes)
    with page(path, _MISTAKES.width, _MISTAKES.height(count), title) as figure:
        axes = sheet(figure)
        for k in range(count):
            wrong = classes[int(predicted[k])]
            x, y = _MISTAKES.corner(k, count)
            _face(axes, np.asarray(images[k]), x, y, _MISTAKES.side, colours[wrong])
            said = f"→ {shorten(wrong, 14)} {percent(float(confidence[k]))}"
            _caption(axes, x, y - 0.06, classes[int(true[k])], 24)
            _caption(axes, x, y - 0.2, said, 24, weight="bold", color=darker(colours[wrong]))
            _caption(axes, x, y - 0.36, ids[k], 30, tail=True, size=5.5, color=MUTED)


def percent(rate: float) -> str:
    """Returns a rate in [0, 1] as a whole percentage that reaches 0 and 100 only where it is."""
    whole = round(100 * rate)
    if rate > 0 and whole == 0:
        return "<1 %"
    return ">99 %" if rate < 1 and whole == 100 else f"{whole} %"


def _face(axes: Axes, image: np.ndarray, x: float, y: float, side: float, colour: str) -> None:
    """Draws a uint8 [H, W, C] image inside a square, over a bar in the colour of its class."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    # More pixels than the page has would only cost bytes.
    picture.thumbnail((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
    long = max(picture.size)
    width, height = (side * length / long for length in picture.size)
    left, bottom = x + (side - width) / 2, y + (side - height) / 2
    extent = (left, left + width, bottom, bottom + height)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(np.asarray(picture), extent=extent, interpolation="nearest", aspect="auto")
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.add_patch(Rectangle((x, y - 0.03), side, 0.03, facecolor=colour, edgecolor="none"))


def _caption(
    axes: Axes, x: float, y: float, text: str, limit: int, tail: bool = False, **style: Any
) -> None:
    style = {"size": 7.5, "color": INK, "va": "top", "ha": "left"} | style
    axes.text(x, y, shorten(text, limit, tail), **style)
