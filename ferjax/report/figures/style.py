"""Style of all figures: colours, fonts, axes placed in inches, and saving as a small PNG."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from ferjax.runtime.atomic_files import write_atomically

# Okabe and Ito's colour-blind-safe set; wine replaces its yellow, which is illegible on white.
EMOTION_COLOURS = {
    "anger": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happiness": "#E69F00",
    "sadness": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#000000",
    "contempt": "#882255",
}
_OTHER_COLOURS = ("#332288", "#AA4499", "#117733", "#CC6677", "#44AA99", "#999933", "#88CCEE")

INK, MUTED, FAINT = "#202124", "#5F6368", "#DADCE0"
CORRECT, WRONG = "#0072B2", "#D55E00"
DPI = 160
SIZE_LIMIT = 300_000

_RC: dict[Any, Any] = {
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#ECEEF0",
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.color": FAINT,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0.0,
    "lines.solid_capstyle": "round",
    "text.parse_math": False,
}


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Returns class → colour: the fixed colour of an emotion, the next free one for other names."""
    others = [name for name in classes if name not in EMOTION_COLOURS]
    other_colours = {name: _OTHER_COLOURS[i % len(_OTHER_COLOURS)] for i, name in enumerate(others)}
    return {name: EMOTION_COLOURS.get(name) or other_colours[name] for name in classes}


def darker(colour: str) -> tuple[float, float, float]:
    """Returns the colour mixed with black, for text: thin strokes need more contrast than lines."""
    red, green, blue = to_rgb(colour)
    return 0.75 * red, 0.75 * green, 0.75 * blue


@contextmanager
def saved_figure(path: Path, width: float, height: float, title: str) -> Iterator[Figure]:
    """Yields an empty figure of `width` x `height` inches with its title, then saves it as a PNG.

    Raises:
      UserError: the file cannot be written.
    """
    # matplotlib reads the settings when artists are created and again when they are drawn.
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width, height), dpi=DPI)
        canvas = FigureCanvasAgg(figure)
        _write_title(figure, title)
        yield figure
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    write_atomically(path, encode_png(image.convert("RGB")))


def _write_title(figure: Figure, title: str) -> None:
    figure_width, figure_height = figure.get_size_inches()
    x, y = 0.2 / figure_width, 1 - 0.17 / figure_height
    text = figure.text(x, y, title, size=11.5, weight="bold", ha="left", va="top")
    scale = (figure_width - 0.4) * figure.dpi / text.get_window_extent().width
    text.set_fontsize(11.5 * min(1.0, scale))


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Returns new axes at a position in inches from the figure's lower left corner."""
    x, y = figure.get_size_inches()
    return figure.add_axes((left / x, bottom / y, width / x, height / y))


def axes_in_inches(figure: Figure) -> Axes:
    """Returns invisible axes over the whole figure, with data coordinates in inches."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return axes


def encode_png(image: Image.Image) -> bytes:
    """Returns an RGB image as PNG: true colour within `SIZE_LIMIT` bytes, else fewer colours."""
    encoded = _png(image)
    for colours in (256, 128, 64):
        if len(encoded) <= SIZE_LIMIT:
            break
        encoded = _png(image.quantize(colours, dither=Image.Dither.NONE))
    return encoded


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, dpi=(DPI, DPI))
    return buffer.getvalue()
