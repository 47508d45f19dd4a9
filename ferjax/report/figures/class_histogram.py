"""Class histogram as a figure: the number of images of each class, one panel per split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import FAINT, INK, MUTED, axes_at, class_colours, saved_figure

# In inches: width of a panel, margins left and right of it, height of a bar.
_PANEL_WIDTH, _LEFT, _RIGHT, _BAR_HEIGHT = 2.1, 1.15, 0.9, 0.26


def draw_class_histogram(counts: Mapping[str, Mapping[str, int]], path: Path, title: str) -> None:
    """Draws one panel of bars per split; each bar has its count and its share of the split.

    Args:
      counts: split → class → images; all splits have the same classes in the same order.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    classes = list(next(iter(counts.values())))
    height = _BAR_HEIGHT * len(classes)
    width = _LEFT + len(counts) * (_PANEL_WIDTH + _RIGHT)
    with saved_figure(path, width, height + 0.9, title) as figure:
        for k, (split, by_class) in enumerate(counts.items()):
            left = _LEFT + k * (_PANEL_WIDTH + _RIGHT)
            axes = axes_at(figure, left, 0.15, _PANEL_WIDTH, height)
            _draw_bars(axes, classes, [by_class[name] for name in classes])
            axes.set_title(_panel_title(split, list(by_class.values())), fontsize=8.5)
            axes.set_yticklabels([shorten(name, 16) for name in classes] if k == 0 else [])


def _draw_bars(axes: Axes, classes: Sequence[str], values: Sequence[int]) -> None:
    """Draws horizontal bars, the first class on top."""
    positions = range(len(classes))
    colours = class_colours(classes)
    axes.barh(positions, values, height=0.72, color=[colours[name] for name in classes])
    axes.set(ylim=(len(classes) - 0.5, -0.5), xlim=(0, max(*values, 1)), xticks=[])
    axes.set(yticks=positions)
    axes.grid(visible=False)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    total = max(sum(values), 1)
    for position, value in zip(positions, values, strict=True):
        text = f" {value:,}  ({100 * value / total:.1f} %)"
        axes.text(value, position, text, va="center", size=7.5, color=MUTED)


def _panel_title(split: str, values: Sequence[int]) -> str:
    """Returns "train: 28,709 images, 16.5 : 1", the ratio of the largest class to the smallest."""
    ratio = f", {max(values) / min(values):.3g} : 1" if min(values, default=0) else ""
    return f"{split}: {sum(values):,} images{ratio}"
