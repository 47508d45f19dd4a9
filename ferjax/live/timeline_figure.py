"""The timeline of a video as a figure: shares of the emotions of each person over time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from ferjax.live.video_table import PersonSummary
from ferjax.report.figures.style import axes_at, class_colours, saved_figure

# Sizes of the figure in inches.
_WIDTH, _PANEL, _GAP, _TOP, _BOTTOM, _LEFT, _LEGEND = 8.0, 1.0, 0.45, 0.75, 0.55, 0.75, 1.4
# Height and width of a panel's image in pixels.
_ROWS, _COLUMNS = 120, 1000
# Panels of more persons would be too small to read. The persons seen longest are drawn.
MOST_PERSONS = 12


def draw_timeline(
    persons: Sequence[PersonSummary], classes: Sequence[str], path: Path, title: str
) -> None:
    """Draws a panel for each person: at every time the probabilities of the emotions add up to 1.

    Where a person is not seen the panel is empty.

    Args:
      persons: the persons, longest seen first; the first `MOST_PERSONS` are drawn.
      classes: names of the emotions.
      path: the PNG to write.
      title: the figure's title.

    Raises:
      UserError: the file cannot be written.
    """
    shown = persons[:MOST_PERSONS]
    height = _TOP + _BOTTOM + max(1, len(shown)) * (_PANEL + _GAP)
    colours = class_colours(classes)
    end = max((person.last for person in shown), default=1.0)
    with saved_figure(path, _WIDTH, height, title) as figure:
        for number, person in enumerate(shown):
            bottom = height - _TOP - _PANEL - number * (_PANEL + _GAP)
            axes = axes_at(figure, _LEFT, bottom, _WIDTH - _LEFT - _LEGEND, _PANEL)
            axes.set(xlim=(0, max(end, 0.1)), ylim=(0, 1), yticks=[0, 1])
            axes.set_yticklabels(["0", "100 %"])
            frames = f"{person.frames:,} frames"
            axes.set_title(f"person {person.person}, {frames}", weight="normal", pad=4)
            image = _stacked(person, [colours[name] for name in classes], max(end, 0.1))
            axes.imshow(image, aspect="auto", extent=(0, max(end, 0.1), 0, 1))
            axes.grid(visible=False)
            if number == 0:
                patches = [Patch(color=colours[name], label=name) for name in classes]
                position = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.1)}
                axes.legend(handles=patches, frameon=False, fontsize=8, **position)
            if number == len(shown) - 1:
                axes.set_xlabel("seconds")
        if not shown:
            figure.text(0.5, 0.5, "no face in this video", ha="center", va="center")


def _stacked(person: PersonSummary, colours: Sequence[str], end: float) -> np.ndarray:
    """Returns float [rows, columns, 3], the shares over time as colours; white where unseen.

    It is an image, because a video of hours would have millions of bars.
    """
    image = np.ones((_ROWS, _COLUMNS, 3))
    edges = (np.array([person.times - person.step / 2, person.times + person.step / 2]) / end).T
    heights = np.arange(_ROWS - 1, -1, -1)[:, None] / _ROWS
    for (first, last), shares in zip(edges, person.timeline, strict=True):
        columns = slice(int(first * _COLUMNS), max(int(first * _COLUMNS) + 1, int(last * _COLUMNS)))
        labels = (heights >= np.cumsum(shares)[None, :-1]).sum(1)
        image[:, columns] = np.array([to_rgb(colours[int(k)]) for k in labels])[:, None]
    return image
