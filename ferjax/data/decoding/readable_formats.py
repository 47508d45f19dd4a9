"""The image formats that are read, with Pillow's names: formats that Pillow decodes by itself.

Pillow knows further formats and recognises them by the content of a file, whatever its name. One of
them is EPS: such a file is a program, which Pillow runs with Ghostscript.
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
    # Some builds of Pillow lack some formats.
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def open_readable(path: Path) -> Image.Image:
    """Opens an image file of `readable_formats`; raises `OSError` also for a pipe or a device."""
    if kind := special_kind(path):
        raise OSError(f"{kind}, expected a file")
    return Image.open(path, formats=readable_formats())
