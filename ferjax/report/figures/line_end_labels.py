"""Labels at the right ends of lines instead of a legend, without overlap; shortening of text."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ferjax.report.figures.style import darker


class LineEnd(NamedTuple):
    """The right end of a line in data coordinates, and the text and colour of its label."""

    x: float
    y: float
    text: str
    colour: str


def spread(values: Sequence[float], gap: float, low: float, high: float) -> np.ndarray:
    """Moves values apart as little as possible (least squares) and keeps their order.

    Args:
      values: n numbers in any order; equal ones keep the order in which they are given.
      gap: the smallest distance between neighbours; it is reduced if n values do not fit.
      low: lower bound of the results.
      high: upper bound of the results.

    Returns:
      float64 [n], in the order of `values`.
    """
    count = len(values)
    if not count:
        return np.zeros(0)
    gap = min(gap, (high - low) / max(count - 1, 1))
    order = np.argsort(values, kind="stable")
    offsets = gap * np.arange(count)
    # With the gaps subtracted the problem is isotonic regression: pool adjacent violators.
    blocks: list[tuple[float, int]] = []
    for value in np.asarray(values, float)[order] - offsets:
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (mean, size), (last_mean, last) = blocks[-2:]
            blocks[-2:] = [((mean * size + last_mean * last) / (size + last), size + last)]
    pooled = np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])
    result = np.empty(count)
    result[order] = np.clip(pooled, low, max(low, high - offsets[-1])) + offsets
    return result


def label_line_ends(axes: Axes, ends: Sequence[LineEnd], size: float = 8.0) -> None:
    """Writes the label of each line right of the axes, with a thin line that leads to it.

    The limits of the axes must be final.
    """
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    width, height = axes.get_position().size * figure.get_size_inches()
    inch = (right - left) / width
    gap = 1.5 * size / 72 / height * (high - low)
    for end, y in zip(ends, spread([end.y for end in ends], gap, low, high), strict=True):
        leader = Line2D(
            [end.x, right + 0.05 * inch, right + 0.2 * inch],
            [end.y, end.y, y],
            color=end.colour,
            linewidth=0.7,
            alpha=0.6,
            clip_on=False,
        )
        axes.add_line(leader)
        colour = darker(end.colour)
        axes.text(right + 0.25 * inch, float(y), end.text, color=colour, size=size, va="center")


def shorten(text: str, limit: int, tail: bool = False) -> str:
    """Returns `text` in at most `limit` characters: its beginning, or with `tail` its end."""
    if len(text) <= limit:
        return text
    return "…" + text[1 - limit :] if tail else text[: limit - 1] + "…"
