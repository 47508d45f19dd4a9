"""Formats of images that are read, as Pillow names them: those that it decodes by itself.

Pillow knows others, and takes them by their content, whatever the file's name. One of them (EPS) is
a program, which Pillow gives to Ghostscript to run.
"""

import functools

from PIL import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA",
            "PCX", "QOI", "SGI", "ICO")  # fmt: skip


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Returns Pillow's names of the formats that are read."""
    Image.init()
    # Some builds of Pillow lack some of them.
    return tuple(name for name in _FORMATS if name in Image.OPEN)
