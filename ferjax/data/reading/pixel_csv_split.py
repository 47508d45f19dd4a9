"""Rows of a pixel csv as one split in memory, their names, and a note on pictures that repeat."""

import hashlib
from pathlib import Path

import numpy as np

from ferjax.data.reading.pixel_csv import SIDE, PixelRows
from ferjax.data.splits.split import Split


def pixel_split(
    rows: PixelRows, ids: list[str], numbered: tuple[str, ...], classes: tuple[str, ...]
) -> Split:
    """Returns the rows as one split `all`.

    Args:
      rows: N of them.
      ids: N names.
      numbered: class of the file's emotion 0, 1, 2, ...; all of those in `rows` are in `classes`.
      classes: the class list that the split's labels index.
    """
    to_class = np.array([classes.index(n) if n in classes else -1 for n in numbered], np.int32)
    images = rows.images
    shape = (SIDE, SIDE, 1)
    return Split("all", to_class[rows.emotion], tuple(ids), shape, lambda indices: images[indices])


def row_ids(path: Path, rows: PixelRows) -> list[str]:
    """Returns file.csv:row for each row, from 1."""
    return [f"{path.name}:{row}" for row in range(1, len(rows.emotion) + 1)]


def repeats_note(rows: PixelRows, name: str) -> tuple[str, ...]:
    """Returns the note on rows of the file `name` that repeat a picture, if there are any."""
    repeats, conflicts = _repeated_rows(rows)
    if not repeats:
        return ()
    labels = f", {conflicts:,} of them under another label" if conflicts else ""
    return (
        f"{name}: {repeats:,} of {len(rows.emotion):,} rows show the same picture as an earlier "
        f"row{labels}; all are kept",
    )


def _repeated_rows(rows: PixelRows) -> tuple[int, int]:
    """Returns how many rows show an earlier row's picture, and how many of them another emotion."""
    first: dict[bytes, int] = {}
    repeats = conflicts = 0
    for image, emotion in zip(rows.images, rows.emotion.tolist(), strict=True):
        key = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        if key in first:
            repeats += 1
            conflicts += first[key] != emotion
        else:
            first[key] = emotion
    return repeats, conflicts
