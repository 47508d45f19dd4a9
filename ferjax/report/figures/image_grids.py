"""Image grids as figures: an augmented training batch with labels, and misclassified images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import (
    INK,
    MUTED,
    axes_in_inches,
    class_colours,
    darker,
    saved_figure,
)

BATCH_LIMIT, MISTAKES_LIMIT = 32, 24
# In inches: margin, gap between images, height of the title, margin at the bottom.
_EDGE, _GAP, _TOP, _BOTTOM = 0.2, 0.1, 0.55, 0.1
# Longest side of an image in pixels. With 72 even a grid of colour photographs stays within
# SIZE_LIMIT.
_PIXELS = 72


class _Grid(NamedTuple):
    """Layout of a grid: columns, side of an image and height of its caption in inches."""

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
        """Returns left and bottom of image `k` in inches, row by row from the top."""
        row, column = divmod(k, self.columns)
        top = self.height(count) - _TOP - row * (self.side + self.caption + _GAP)
        return _EDGE + column * (self.side + _GAP), top - self.side


_BATCH = _Grid(columns=8, side=0.9, caption=0.25)
_MIXED = _Grid(columns=8, side=0.9, caption=0.39)
_MISTAKES = _Grid(columns=6, side=1.35, caption=0.5)


def draw_batch(
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    path: Path,
    title: str,
    mix: Any = None,
    limit: int = BATCH_LIMIT,
) -> None:
    """Draws the first images of a batch; a blended image has both labels with their shares.

    Args:
      images: float [B, H, W, C] in display range [0, 1] (values outside are clipped); C is 1 or 3.
      labels: int [B], indexes into `classes`.
      classes: the class list.
      path: the PNG to write.
      title: the figure's title.
      mix: None, or how the batch was blended: `partner` int [B], the row that is blended in, and
        `share` float [B], the share of the image's own label.
      limit: how many images are drawn.

    Raises:
      UserError: the file cannot be written.
    """
    clipped = np.clip(np.asarray(images[:limit], np.float32), 0, 1)
    colours = class_colours(classes)
    count, grid = len(clipped), _BATCH if mix is None else _MIXED
    with saved_figure(path, grid.width, grid.height(count), title) as figure:
        axes = axes_in_inches(figure)
        for k, image in enumerate(clipped):
            x, y = grid.corner(k, count)
            names = _names_with_shares(labels, classes, k, mix)
            colour = colours[names[0][0]]
            _draw_image(axes, (255 * image).round().astype(np.uint8), x, y, grid.side, colour)
            for line, (name, share) in enumerate(names):
                text = name if len(names) == 1 else f"{shorten(name, 11)} {percent(share)}"
                _write_caption(axes, x, y - 0.06 - 0.14 * line, text, 16 if len(names) == 1 else 18)


def _names_with_shares(
    labels: np.ndarray, classes: Sequence[str], k: int, mix: Any
) -> list[tuple[str, float]]:
    """Returns (label, share) of image `k`; for a blended image both, the larger share first."""
    name = classes[int(labels[k])]
    if mix is None or float(mix.share[k]) == 1:
        return [(name, 1.0)]
    share = float(mix.share[k])
    other_name = classes[int(labels[int(mix.partner[k])])]
    return sorted([(name, share), (other_name, 1 - share)], key=lambda pair: -pair[1])


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
    """Draws the first 24 misclassified images; the caller sorts them, the most confident first.

    Args:
      images: uint8 [M, H, W, C]; C is 1 or 3. With M = 0 the figure says that there are none.
      true: int [M], indexes into `classes`.
      predicted: int [M], indexes into `classes`.
      confidence: float [M], probability of the predicted class, in [0, 1].
      ids: M names by which the reader finds the images.
      classes: the class list.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    count = min(len(images), MISTAKES_LIMIT)
    if not count:
        with saved_figure(path, _MISTAKES.width, 1.6, title) as figure:
            note = "No mistakes: every image of this split was recognised."
            axes_in_inches(figure).text(
                _MISTAKES.width / 2, 0.7, note, ha="center", va="center", color=MUTED
            )
        return
    colours = class_colours(classes)
    with saved_figure(path, _MISTAKES.width, _MISTAKES.height(count), title) as figure:
        axes = axes_in_inches(figure)
        for k in range(count):
            wrong = classes[int(predicted[k])]
            x, y = _MISTAKES.corner(k, count)
            _draw_image(axes, np.asarray(images[k]), x, y, _MISTAKES.side, colours[wrong])
            prediction = f"→ {shorten(wrong, 14)} {percent(float(confidence[k]))}"
            _write_caption(axes, x, y - 0.06, classes[int(true[k])], 24)
            _write_caption(
                axes, x, y - 0.2, prediction, 24, weight="bold", color=darker(colours[wrong])
            )
            _write_caption(axes, x, y - 0.36, ids[k], 30, tail=True, size=5.5, color=MUTED)


def percent(rate: float) -> str:
    """Returns a rate in [0, 1] as a whole percentage; "0 %" and "100 %" are always exact."""
    whole = round(100 * rate)
    if rate > 0 and whole == 0:
        return "<1 %"
    return ">99 %" if rate < 1 and whole == 100 else f"{whole} %"


def _draw_image(
    axes: Axes, image: np.ndarray, x: float, y: float, side: float, colour: str
) -> None:
    """Draws a uint8 [H, W, C] image inside a square, above a bar in the colour of its class."""
    thumbnail = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    # More pixels than the figure shows would only make the file larger.
    thumbnail.thumbnail((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
    longest = max(thumbnail.size)
    width, height = (side * length / longest for length in thumbnail.size)
    left, bottom = x + (side - width) / 2, y + (side - height) / 2
    extent = (left, left + width, bottom, bottom + height)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(np.asarray(thumbnail), extent=extent, interpolation="nearest", aspect="auto")
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.add_patch(Rectangle((x, y - 0.03), side, 0.03, facecolor=colour, edgecolor="none"))


def _write_caption(
    axes: Axes, x: float, y: float, text: str, limit: int, tail: bool = False, **style: Any
) -> None:
    style = {"size": 7.5, "color": INK, "va": "top", "ha": "left"} | style
    axes.text(x, y, shorten(text, limit, tail), **style)
