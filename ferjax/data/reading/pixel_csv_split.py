"""Makes a split in memory from the rows of a pixel csv; counts rows that repeat an image."""

import hashlib
from pathlib import Path

import numpy as np

from ferjax.data.reading.pixel_csv import SIDE, PixelRows
from ferjax.data.splits.split import Split


def pixel_split(
    rows: PixelRows, ids: list[str], numbered: tuple[str, ...], classes: tuple[str, ...]
) -> Split:
    """Returns the rows as one split with the name `all`.

    Args:
      rows: N rows.
      ids: N image names.
      numbered: classes of the emotions 0, 1, 2, ... of the file. Every emotion that occurs in
        `rows` must be in `classes`.
      classes: the class list that the split's labels index.
    """
    to_class = np.array([classes.index(n) if n in classes else -1 for n in numbered], np.int32)
    images = rows.images
    shape = (SIDE, SIDE, 1)
    labels = to_class[rows.emotion]
    return Split("all", labels, tuple(ids), shape, images.__getitem__, originals=images.__getitem__)


def row_ids(path: Path, rows: PixelRows) -> list[str]:
    """Returns the image name "file.csv:row" of each row, counted from 1."""
    return [f"{path.name}:{row}" for row in range(1, len(rows.emotion) + 1)]


def repeats_note(rows: PixelRows, name: str) -> tuple[str, ...]:
    """Returns a note that counts the rows of file `name` that repeat an image, or no note."""
    repeats, conflicts = _count_repeated_rows(rows)
    if not repeats:
        return ()
    labels = f", {conflicts:,} of them under another label" if conflicts else ""
    return (
        f"{name}: {repeats:,} of {len(rows.emotion):,} rows show the same picture as an earlier "
        f"row{labels}; all are kept",
    )


def _count_repeated_rows(rows: PixelRows) -> tuple[int, int]:
    """Returns how many rows repeat an earlier image, and how many of these have another emotion."""
    emotion_of: dict[bytes, int] = {}
    repeats = conflicts = 0
    for image, emotion in zip(rows.images, rows.emotion.tolist(), strict=True):
        key = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        if key in emotion_of:
            repeats += 1
            conflicts += emotion_of[key] != emotion
        else:
            emotion_of[key] = emotion
    return repeats, conflicts
