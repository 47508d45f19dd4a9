"""How many images each class has, split by split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import FAINT, INK, MUTED, axes_at, class_colours, page

_WIDE, _LEFT, _RIGHT, _BAR = 2.1, 1.15, 0.9, 0.26


def draw_class_histogram(counts: Mapping[str, Mapping[str, int]], path: Path, title: str) -> None:
    """Draws one panel of bars per split, each bar with its number and its share of the split.

    Args:
      counts: split → class → images; all splits have the same classes in the same order.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    classes = list(next(iter(counts.values())))
    high = _BAR * len(classes)
    width = _LEFT + len(counts) * (_WIDE + _RIGHT)
    with page(path, width, high + 0.9, title) as figure:
        for k, (split, found) in enumerate(counts.items()):
            axes = axes_at(figure, _LEFT + k * (_WIDE + _RIGHT), 0.15, _WIDE, high)
            _bars(axes, classes, [found[name] for name in classes])
            axes.set_title(_summary(split, list(found.values())), fontsize=8.5)
            axes.set_yticklabels([shorten(n, 16) for n in classes] if k == 0 else [])


def _bars(axes: Axes, classes: Sequence[str], values: Sequence[int]) -> None:
    """Draws horizontal bars, the first class on top."""
    places = range(len(classes))
    colours = class_colours(classes)
    axes.barh(places, values, height=0.72, color=[colours[name] for name in classes])
    axes.set(ylim=(len(classes) - 0.5, -0.5), xlim=(0, max(*values, 1)), xticks=[], yticks=places)
    axes.grid(visible=False)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    total = max(sum(values), 1)
    for place, value in zip(places, values, strict=True):
        text = f" {value:,}  ({100 * value / total:.1f} %)"
        axes.text(value, place, text, va="center", size=7.5, color=MUTED)


def _summary(split: str, values: Sequence[int]) -> str:
    """Returns "train: 28,709 images, 16.5 : 1", largest class to smallest."""
    ratio = f", {max(values) / min(values):.3g} : 1" if min(values, default=0) else ""
    return f"{split}: {sum(values):,} images{ratio}"
