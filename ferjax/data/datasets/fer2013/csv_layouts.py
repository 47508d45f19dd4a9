"""FER2013 as csv: one file with a column Usage, or a file for each split."""

from pathlib import Path

import numpy as np

from ferjax.data.reading.csv_rows import csv_header
from ferjax.data.reading.pixel_csv import PixelRows, read_pixel_csv
from ferjax.data.reading.pixel_csv_split import pixel_split, repeats_note, row_ids
from ferjax.data.splits.split import Split
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

# The csv's numbering, 0 to 6. Class folders in alphabetical order number differently.
CSV_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
CLASSES = ordered_classes(CSV_EMOTIONS)
MERGED = "PublicTest+PrivateTest"
WHOLE_FILES = ("fer2013.csv", "icml_face_data.csv")
# File of one split → what its rows may be, where it has a column Usage.
_SPLIT_FILES = {
    "train.csv": ("Training",),
    "val.csv": ("PublicTest",),
    "test.csv": ("PublicTest", "PrivateTest"),
}


def whole_csv(path: Path) -> tuple[Split, np.ndarray, tuple[str, ...]]:
    """Reads a csv file that holds all splits.

    Returns:
      The faces of all splits, in memory; the usage of each, str [N]; remarks for the report.

    Raises:
      UserError: no such columns, or a broken row.
    """
    rows = read_pixel_csv(path, len(CSV_EMOTIONS))
    whole = pixel_split(rows, row_ids(path, rows), CSV_EMOTIONS, CLASSES)
    return whole, rows.usage, repeats_note(rows, path.name)


def split_csvs(folder: Path) -> tuple[Split, np.ndarray, tuple[str, ...]]:
    """Reads train.csv and, where they are, val.csv and test.csv.

    Without a column Usage val.csv is PublicTest, and test.csv is PrivateTest beside a val.csv, else
    both merged. A test.csv without emotions (the competition's) is not used.

    Returns:
      As of `whole_csv`.

    Raises:
      UserError: no such columns, a broken row, or rows of one split in another's file.
    """
    parts: list[PixelRows] = []
    ids: list[str] = []
    usage: list[str] = []
    notes: tuple[str, ...] = ()
    for name, allowed in _SPLIT_FILES.items():
        path = folder / name
        if not path.is_file():
            continue
        header = csv_header(path)
        if name == "test.csv" and "emotion" not in header and "pixels" in header:
            notes += (f"{name} has no emotions (the competition's): it is not used",)
            continue
        rows = read_pixel_csv(path, len(CSV_EMOTIONS), allowed[-1])
        strange = set(rows.usage.tolist()) - set(allowed)
        if strange:
            raise UserError(
                f"{path}: rows whose Usage is {', '.join(sorted(strange))}, expected "
                f"{' or '.join(allowed)}; a file that holds all splits is named fer2013.csv"
            )
        merged = "Usage" not in header and name == "test.csv" and "PublicTest" not in usage
        usage += [MERGED] * len(rows.usage) if merged else rows.usage.tolist()
        parts.append(rows)
        ids += row_ids(path, rows)
    emotion, images = (
        np.concatenate([getattr(rows, field) for rows in parts]) for field in ("emotion", "images")
    )
    rows = PixelRows(emotion, np.array(usage), images)
    whole = pixel_split(rows, ids, CSV_EMOTIONS, CLASSES)
    return whole, rows.usage, notes + repeats_note(rows, folder.name)


def is_split_csv(path: Path) -> bool:
    """Returns whether `path` is one of the files that `split_csvs` reads, and not a whole set."""
    if path.name not in _SPLIT_FILES:
        return False
    return path.name != "train.csv" or "Usage" not in csv_header(path)
