"""Pictures inside a page: files and arrays as data URIs."""

import base64
import io
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image, UnidentifiedImageError

_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg"}


def embedded_picture(path: Path) -> str:
    """Returns a PNG file as a data URI.

    Raises:
      OSError: it cannot be read.
    """
    return _data_uri("image/png", path.read_bytes())


def embedded_file(source: str, folder: Path) -> tuple[str, int, int] | None:
    """Returns the data URI, width and height of a picture that a page links to.

    Args:
      source: the link, relative to the page, percent-encoded.
      folder: the folder of the page.

    Returns:
      The three values; None for a link with a scheme or host, a file outside the folder, a missing
      file, and a file that is neither PNG nor JPEG.
    """
    parts, path = urlsplit(source), Path(unquote(source))
    if parts.scheme or parts.netloc or path.is_absolute() or ".." in path.parts:
        return None
    try:
        content = (folder / path).read_bytes()
        with Image.open(io.BytesIO(content)) as picture:
            kind, (width, height) = _TYPES[str(picture.format)], picture.size
    except (OSError, ValueError, KeyError, UnidentifiedImageError):
        return None
    return _data_uri(kind, content), width, height


def embedded_pixels(pixels: np.ndarray, kind: str = "PNG") -> str:
    """Returns pixels uint8 [h, w, 1 or 3] as a data URI, PNG or JPEG."""
    file = io.BytesIO()
    grey = pixels.shape[-1] == 1
    Image.fromarray(pixels[..., 0] if grey else pixels).save(file, kind, quality=85, optimize=True)
    return _data_uri(_TYPES[kind], file.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
