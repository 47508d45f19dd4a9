"""Writes copies of pictures with a box around each face and the name of its emotion."""

import functools
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ferjax.errors import UserError, printable
from ferjax.predict.rows import READ, Row
from ferjax.runtime.atomic_files import remove_all_left_below, write_atomically

# Most file systems allow names of 255 bytes.
_MOST_NAME_BYTES = 240
_BOX, _TEXT, _SHADE = (255, 214, 10), (20, 20, 20), (255, 214, 10)


def annotator(
    folder: Path, classes: Sequence[str], *, goes_on: bool
) -> Callable[[np.ndarray, Sequence[Row]], None]:
    """Returns a function (picture uint8 [H, W, C], its rows) that writes an annotated copy.

    The copy lies in `folder` under the path of the picture, as PNG.

    Args:
      folder: the folder that gets the copies.
      classes: names of the emotions.
      goes_on: whether this command continues an unfinished one, which has left copies there.

    Raises:
      UserError: the folder is not empty, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--annotate={folder} is a file. Name a new folder for the pictures.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if goes_on:
            remove_all_left_below(folder)
        elif any(folder.iterdir()):
            raise UserError(f"--annotate={folder} is not empty. Name a new folder.")
    except OSError as error:
        raise UserError(f"--annotate={folder} cannot be written: {error.strerror}.") from None

    def write(picture: np.ndarray, rows: Sequence[Row]) -> None:
        path = folder / copy_name(rows[0].file)
        content = io.BytesIO()
        annotated(picture, rows, classes).save(content, "PNG")
        write_atomically(path, content.getvalue(), look_for_leftovers=False)

    return write


def copy_name(file: str) -> Path:
    """Returns the relative path of a picture's copy: its own path without root and `..`."""
    parts = [part for part in Path(file).parts if part not in ("/", "..", ".")]
    name = parts[-1] if parts[-1].lower().endswith(".png") else f"{parts[-1]}.png"
    if len(os.fsencode(name)) > _MOST_NAME_BYTES:
        name = f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.png"
    return Path(*parts).with_name(name)


def check_copies(files: Sequence[str], folder: Path) -> None:
    """Raises `UserError` if the copies of two pictures would have the same name."""
    seen: dict[Path, str] = {}
    for file in files:
        other = seen.setdefault(copy_name(file), file)
        if other is not file:
            raise UserError(
                f"--annotate={folder}: the copies of {printable(other)} and {printable(file)} would"
                " have one name. Name each picture once, or annotate them by two commands."
            )


def annotated(picture: np.ndarray, rows: Sequence[Row], classes: Sequence[str]) -> Image.Image:
    """Returns the picture with a box and the most probable emotion for each face."""
    labelled = []
    for row in rows:
        if row.status == READ:
            box = row.box or (0, 0, picture.shape[1], picture.shape[0])
            labelled.append((box, emotion_label(row.probabilities, classes)))
    return draw_faces(picture, labelled)


def emotion_label(probabilities: Sequence[float], classes: Sequence[str]) -> str:
    """Returns the most probable emotion and its probability, such as `fear 71 %`."""
    best = int(np.argmax(probabilities))
    return f"{classes[best]} {100 * probabilities[best]:.0f} %"


def draw_faces(picture: np.ndarray, labelled: Sequence[tuple[Sequence[int], str]]) -> Image.Image:
    """Returns a picture uint8 [H, W, 1 or 3] with boxes and their texts.

    Args:
      picture: the picture.
      labelled: for each face (left, top, width, height) in pixels, and its text.
    """
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).convert("RGB")
    draw, size = ImageDraw.Draw(image), max(12, min(image.size) // 40)
    font = _font(size)
    for (left, top, width, height), text in labelled:
        draw.rectangle((left, top, left + width - 1, top + height - 1), None, _BOX, size // 8 + 1)
        # The text stands above the box, or inside it where there is no room above. It is moved to
        # the left where it would leave the picture.
        text_width = draw.textlength(text, font) + 6
        x = max(0, min(left, image.width - text_width))
        y = top - size - 6 if top > size + 6 else top
        draw.rectangle((x, y, x + text_width, y + size + 6), _SHADE)
        draw.text((x + 3, y + 2), text, _TEXT, font)
    return image


@functools.lru_cache(maxsize=4)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
