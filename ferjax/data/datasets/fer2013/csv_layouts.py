"""Reads FER2013 as csv: fer2013.csv with a column Usage, or train.csv, val.csv and test.csv."""

from pathlib import Path

import numpy as np

from ferjax.data.reading.csv_rows import csv_header
from ferjax.data.reading.pixel_csv import PixelRows, read_pixel_csv
from ferjax.data.reading.pixel_csv_split import pixel_split, repeats_note, row_ids
from ferjax.data.splits.split import Split
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

# Classes of the numbers 0 to 6 in the csv. Class folders numbered alphabetically differ from this.
CSV_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
CLASSES = ordered_classes(CSV_EMOTIONS)
MERGED = "PublicTest+PrivateTest"
WHOLE_FILES = ("fer2013.csv", "icml_face_data.csv")
# File of one split → the values that its column Usage may have, if there is one.
_SPLIT_FILES = {
    "train.csv": ("Training",),
    "val.csv": ("PublicTest",),
    "test.csv": ("PublicTest", "PrivateTest"),
}


def read_whole_csv(path: Path) -> tuple[Split, np.ndarray, tuple[str, ...]]:
    """Reads a csv file that contains all splits.

    Returns:
      One split with all images, in memory; the usage of each image, str [N]; notes for the report.

    Raises:
      UserError: a column is missing, or a row is broken.
    """
    rows = read_pixel_csv(path, len(CSV_EMOTIONS))
    pool = pixel_split(rows, row_ids(path, rows), CSV_EMOTIONS, CLASSES)
    return pool, rows.usage, repeats_note(rows, path.name)


def read_split_csvs(
    folder: Path,
) -> tuple[Split, np.ndarray, tuple[str, ...], dict[str, str]]:
    """Reads train.csv and, if they exist, val.csv and test.csv.

    Without a column Usage, val.csv is PublicTest, and test.csv is PrivateTest if there is a
    val.csv, else PublicTest and PrivateTest merged. A test.csv without emotions (the file of the
    competition) is not used.

    Returns:
      The same as `read_whole_csv`, and usage → file name for the files without a column Usage.

    Raises:
      UserError: a column is missing, a row is broken, or a file has rows of another split.
    """
    parts: list[PixelRows] = []
    ids: list[str] = []
    usage: list[str] = []
    notes: tuple[str, ...] = ()
    unmarked: dict[str, str] = {}
    for name, allowed in _SPLIT_FILES.items():
        path = folder / name
        if not path.is_file():
            continue
        header = csv_header(path)
        if name == "test.csv" and "emotion" not in header and "pixels" in header:
            notes += (f"{name} has no emotions (the competition's): it is not used",)
            continue
        rows = read_pixel_csv(path, len(CSV_EMOTIONS), allowed[-1])
        unexpected = set(rows.usage.tolist()) - set(allowed)
        if unexpected:
            raise UserError(
                f"{path}: rows whose Usage is {', '.join(sorted(unexpected))}, expected "
                f"{' or '.join(allowed)}; a file that holds all splits is named fer2013.csv"
            )
        if "usage" in header:
            usage += rows.usage.tolist()
        else:
            merged = name == "test.csv" and "PublicTest" not in usage
            file_usage = MERGED if merged else allowed[-1]
            unmarked[file_usage] = name
            usage += [file_usage] * len(rows.usage)
        parts.append(rows)
        ids += row_ids(path, rows)
    if not parts:
        raise UserError(
            f"{folder}: {'; '.join(notes)}, and no other file of train.csv, val.csv and test.csv is"
            " there. launch.predict names the emotions of its faces"
        )
    emotion, images = (
        np.concatenate([getattr(rows, field) for rows in parts]) for field in ("emotion", "images")
    )
    rows = PixelRows(emotion, np.array(usage), images)
    pool = pixel_split(rows, ids, CSV_EMOTIONS, CLASSES)
    return pool, rows.usage, notes + repeats_note(rows, folder.name), unmarked


def is_split_csv(path: Path) -> bool:
    """Returns whether `path` is a file of `read_split_csvs` without rows of other splits."""
    if path.name not in _SPLIT_FILES:
        return False
    return path.name != "train.csv" or "usage" not in csv_header(path)
