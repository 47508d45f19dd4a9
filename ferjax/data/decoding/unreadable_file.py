"""The error for an image file that is missing, empty or cannot be decoded."""

import os
from pathlib import Path

from PIL import Image

from ferjax.config.given_files import special_kind
from ferjax.errors import UserError, one_line, printable


def unreadable_file(path: Path, error: Exception) -> UserError:
    """Returns the error for a file that is missing, empty or cannot be decoded."""
    path = Path(path)
    name = printable(str(path))
    if isinstance(error, PermissionError):
        return UserError(f"{name}: permission denied; make the file and its folder readable")
    if is_web_address(path):
        return UserError(f"{name}: a web address; only files are read: download the image first")
    if kind := special_kind(path):
        return UserError(f"{name} is {kind}, expected an image file; remove it")
    if not os.path.isfile(path):  # False for a name that is too long, where `is_file` raises
        return UserError(f"{name}: no such image file")
    return undecodable(name, path.stat().st_size, error)


def is_web_address(path: Path) -> bool:
    """Returns whether a path was written as a web address; a Path keeps one of its two slashes."""
    return path.parts[:1] in (("http:",), ("https:",)) and not path.exists()


def undecodable(name: str, size: int, error: Exception) -> UserError:
    """Returns the error for an image of `size` bytes that cannot be decoded."""
    if size == 0:
        return UserError(f"{name}: the file is empty (0 bytes), expected an image; copy it again")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return UserError(
            f"{name}: too many pixels for a face ({size:,} bytes), the limit is "
            f"{2 * (Image.MAX_IMAGE_PIXELS or 0):,}; crop or shrink the image"
        )
    if isinstance(error, Image.UnidentifiedImageError):
        return UserError(
            f"{name}: cannot be read as an image ({size:,} bytes: not an image); move it elsewhere,"
            " or copy it again if it once was one"
        )
    return UserError(
        f"{name}: cannot be read as an image ({size:,} bytes: {one_line(error)}); copy it again"
    )
