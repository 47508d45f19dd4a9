"""Reads csv files whose rows are 48×48 grey images: fer2013.csv and files of the same format."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.data.reading.csv_rows import csv_header, named_rows
from ferjax.data.reading.spreadsheet_cells import whole_number
from ferjax.errors import UserError

SIDE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")
_COLUMNS = ("emotion", "pixels", "Usage")
_HINT = (
    ". Without Usage name the file train.csv (val.csv and test.csv may lie beside it),"
    f" or add Usage: {', '.join(USAGES)}. Without emotion it can only be predicted"
)


@dataclass(frozen=True)
class PixelRows:
    """The rows of a pixel csv, in file order.

    Attributes:
      emotion: int32 [N], the numbers in the file.
      usage: str [N], each a name of `USAGES`.
      images: uint8 [N, 48, 48, 1], values 0 to 255.
    """

    emotion: np.ndarray
    usage: np.ndarray
    images: np.ndarray


def read_pixel_csv(path: Path, num_emotions: int, usage: str | None = None) -> PixelRows:
    """Reads the columns emotion, pixels and Usage, in any order, names stripped of spaces.

    Args:
      path: the csv file, UTF-8 with or without a byte order mark.
      num_emotions: emotions are numbered 0 to num_emotions - 1.
      usage: the usage of every row if the file has no column Usage. None: the column is required.

    Raises:
      UserError: a column is missing, there are no rows, or a row has an invalid emotion, usage or
        pixels; the message names the file, the row (from 1, without the header) and the line.
    """
    emotions: list[int] = []
    usages: list[str] = []
    pixels: list[bytes] = []
    has_usage = usage is None or "usage" in csv_header(path)
    # Text that is not a number is an error in new NumPy and a DeprecationWarning in older versions.
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        for location, fields in named_rows(path, _COLUMNS if has_usage else _COLUMNS[:2], _HINT):
            emotion, text, row_usage = fields if has_usage else (*fields, usage)
            number = whole_number(emotion)
            if number is None or not 0 <= number < num_emotions:
                raise UserError(
                    f"{location}: emotion {emotion[:60]!r}, expected a whole number from 0 to "
                    f"{num_emotions - 1}; correct the row or download the file again"
                )
            if row_usage not in USAGES:
                raise UserError(
                    f"{location}: Usage {row_usage!r}, expected {', '.join(USAGES)}; correct the "
                    "row or download the file again"
                )
            emotions.append(number)
            usages.append(row_usage)
            pixels.append(_parse_pixels(text, location))
    if not pixels:
        raise UserError(f"{path}: a header and no rows; download the file again")
    images = np.frombuffer(b"".join(pixels), np.uint8).reshape(-1, SIDE, SIDE, 1)
    return PixelRows(np.array(emotions, np.int32), np.array(usages), images)


_PIXELS_HINT = f" ({SIDE}x{SIDE} grey faces, as in fer2013.csv)"


def count_pixel_rows(path: Path) -> int:
    """Returns the number of rows of a pixel csv; raises `UserError` as `read_pixels` does."""
    return sum(1 for _ in named_rows(path, ("pixels",), _PIXELS_HINT))


def read_pixels(path: Path) -> Iterator[np.ndarray | UserError]:
    """Yields uint8 [48, 48, 1] of each row of a pixel csv, in file order; labels are not read.

    A row whose pixels are broken yields its error, which names the file, the row and the line.

    Args:
      path: a csv file with a column `pixels`, whatever its other columns.

    Raises:
      UserError: there is no such column, or the file is no csv text.
    """
    for location, (text,) in named_rows(path, ("pixels",), _PIXELS_HINT):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", DeprecationWarning)
                pixels = _parse_pixels(text, location)
        except UserError as error:
            yield error
        else:
            yield np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE, 1)


def _parse_pixels(text: str, location: str) -> bytes:
    """Returns the 48×48 pixel bytes that `text` lists as decimal numbers."""
    try:
        values = np.fromstring(text, np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        words = text.split()
        wrong = next((word for word in words if not word.isdecimal()), text[:20])
        raise _pixel_error(location, repr(wrong)) from None
    if values.size != SIDE * SIDE:
        raise _pixel_error(location, f"{values.size:,} values")
    if (values >> 8).any():
        raise _pixel_error(location, f"the value {values[(values >> 8) != 0][0]}")
    return values.astype(np.uint8).tobytes()


def _pixel_error(location: str, problem: str) -> UserError:
    """Returns the error for a field `pixels` that contains `problem`."""
    return UserError(
        f"{location}: {problem} in pixels, expected {SIDE * SIDE:,} whole numbers from 0 to 255 "
        f"separated by spaces ({SIDE}x{SIDE} grey); download the file again"
    )
