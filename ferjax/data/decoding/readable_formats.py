"""Formats of images that are read, as Pillow names them: those that it decodes by itself.

Pillow knows others, and takes them by their content, whatever the file's name. One of them (EPS) is
a program, which Pillow gives to Ghostscript to run.
"""

import functools
from pathlib import Path

from PIL import Image

from ferjax.config.given_files import special_kind

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA",
            "PCX", "QOI", "SGI", "ICO")  # fmt: skip


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Returns Pillow's names of the formats that are read."""
    Image.init()
    # Some builds of Pillow lack some of them.
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def open_readable(path: Path) -> Image.Image:
    """Opens an image file of these formats; raises `OSError` too for a pipe or a device."""
    if kind := special_kind(path):
        raise OSError(f"{kind}, expected a file")
    return Image.open(path, formats=readable_formats())
