"""The notice of responsible use, below each frame of the live view."""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ferjax.report.responsible_use import NOTICE

_PAPER, _INK, _MARGIN = (32, 32, 32), (235, 235, 235), 6


def with_notice(frame: np.ndarray) -> np.ndarray:
    """Returns a frame uint8 [H, W, 3] with the notice below it, uint8 [H + h, W, 3]."""
    return np.concatenate([frame, notice_strip(frame.shape[1])])


@functools.lru_cache(maxsize=4)
def notice_strip(width: int) -> np.ndarray:
    """Returns the notice, in lines that fit into `width` pixels, uint8 [h, width, 3]."""
    size = max(11, width // 60)
    font = ImageFont.load_default(size)
    lines = [line for sentence in NOTICE for line in _wrapped(sentence, font, width - 2 * _MARGIN)]
    height = 2 * _MARGIN + len(lines) * (size + 4)
    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + number * (size + 4)), line, _INK, font)
    return np.asarray(image)


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    """Returns a text in lines of at most `width` pixels; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
