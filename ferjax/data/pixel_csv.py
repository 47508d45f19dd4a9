"""Csv files whose rows are 48×48 grey images: fer2013.csv and its relatives."""

import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.errors import UserError

SIDE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")
_COLUMNS = ("emotion", "pixels", "Usage")


@dataclass(frozen=True)
class PixelRows:
    """The rows of a pixel csv, in file order.

    Attributes:
      emotion: int32 [N], the file's own numbers.
      usage: [N], each a name of `USAGES`.
      images: uint8 [N, 48, 48, 1], values 0 to 255.
    """

    emotion: np.ndarray
    usage: np.ndarray
    images: np.ndarray


def read_pixel_csv(path: Path, num_emotions: int) -> PixelRows:
    """Reads the columns emotion, pixels and Usage, in any order, names stripped of spaces.

    Args:
      path: the csv file, UTF-8 with or without a byte order mark.
      num_emotions: emotions are numbered 0 to num_emotions - 1.

    Raises:
      UserError: no such columns, no rows, or a row whose emotion, pixels or usage is none; the
        message names the file, the row (1-based, header not counted) and the line.
    """
    emotions: list[int] = []
    usages: list[str] = []
    pixels: list[bytes] = []
    numbers = {str(i): i for i in range(num_emotions)}
    # Text that is no number is an error in new numpy and a DeprecationWarning in older ones.
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        for place, emotion, text, usage in _rows(path):
            if emotion not in numbers:
                raise UserError(
                    f"{place}: emotion {emotion!r}, expected a whole number from 0 to "
                    f"{num_emotions - 1}; correct the row or download the file again"
                )
            if usage not in USAGES:
                raise UserError(
                    f"{place}: Usage {usage!r}, expected {', '.join(USAGES)}; correct the row or "
                    "download the file again"
                )
            emotions.append(numbers[emotion])
            usages.append(usage)
            pixels.append(_pixels(text, place))
    if not pixels:
        raise UserError(f"{path}: a header and no rows; download the file again")
    images = np.frombuffer(b"".join(pixels), np.uint8).reshape(-1, SIDE, SIDE, 1)
    return PixelRows(np.array(emotions, np.int32), np.array(usages), images)


def _rows(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yields (place in words, emotion, pixels, usage) of each row that is not blank."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            columns = [header.index(name) for name in _COLUMNS if name in header]
            if len(columns) < len(_COLUMNS):
                raise UserError(
                    f"{path}: columns {', '.join(header)[:200] or 'none'}; expected "
                    f"{', '.join(_COLUMNS)} (fer2013.csv and icml_face_data.csv have them, the "
                    "competition's train.csv and test.csv do not)"
                )
            row = 0
            for fields in reader:
                if not fields:
                    continue
                row += 1
                place = f"{path}: row {row} (line {reader.line_num})"
                if len(fields) != len(header):
                    raise UserError(
                        f"{place}: {len(fields)} fields, expected {len(header)} as in the header; "
                        "the file may be cut off: download it again"
                    )
                emotion, pixels, usage = (fields[i] for i in columns)
                yield place, emotion.strip(), pixels, usage.strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path}: not a readable csv file ({error}); expected UTF-8 text with the columns "
            f"{', '.join(_COLUMNS)}"
        ) from error


def _pixels(text: str, place: str) -> bytes:
    """Returns the 48×48 bytes written as whole numbers in `text`."""
    try:
        values = np.fromstring(text, np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        words = text.split()
        wrong = next((word for word in words if not word.isdecimal()), text[:20])
        raise _bad_pixels(place, repr(wrong)) from None
    if values.size != SIDE * SIDE:
        raise _bad_pixels(place, f"{values.size:,} values")
    if (values >> 8).any():
        raise _bad_pixels(place, f"the value {values[(values >> 8) != 0][0]}")
    return values.astype(np.uint8).tobytes()


def _bad_pixels(place: str, found: str) -> UserError:
    """Returns the error for a pixels field that holds `found`."""
    return UserError(
        f"{place}: {found} in pixels, expected {SIDE * SIDE:,} whole numbers from 0 to 255 "
        f"separated by spaces ({SIDE}x{SIDE} grey); download the file again"
    )
