"""Recognises images among the entries of a folder, for all readers: by suffix, else by content."""

import os
from pathlib import Path

from PIL import Image

from ferjax.data.decoding.readable_formats import readable_formats

IMAGE_SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".gif", ".bmp", ".dib"),
        *(".webp", ".pgm", ".ppm", ".pbm", ".pnm", ".tif", ".tiff", ".avif", ".jp2", ".j2k"),
        *(".jpx", ".tga", ".qoi", ".pcx"),
    }
)
# Files that operating systems put beside a user's files. Hidden files, such as ._a.png of macOS,
# are recognised by the dot.
_SYSTEM_FILES = frozenset(
    {
        *("thumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found", "$recycle.bin"),
        "system volume information",
    }
)
# Formats that are recognised by content; no text begins with their signatures by chance.
_FORMATS = frozenset({"PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM", "TIFF", "AVIF", "JPEG2000"})


def is_visible(name: str) -> bool:
    """Returns whether an entry of a folder is neither hidden nor a file of the system's own."""
    return not name.startswith(".") and name.lower() not in _SYSTEM_FILES


def is_image(path: str | Path) -> bool:
    """Returns whether a file is an image: by its suffix, else by its content.

    Only files without a suffix, or with an unknown suffix (`subject01.happy`), are opened.
    """
    if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES:
        return True
    try:
        if not os.path.isfile(path):
            return False
        with Image.open(path, formats=[name for name in readable_formats() if name in _FORMATS]):
            return True
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
