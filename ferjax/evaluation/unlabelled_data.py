"""Detects images without labels, which cannot be judged, and refers to `launch.predict`."""

import os
import re
from itertools import islice
from pathlib import Path

from ferjax.config.given_files import bounded_lines, parse_json
from ferjax.data.reading.csv_rows import csv_records
from ferjax.data.reading.image_names import is_image, is_visible
from ferjax.data.reading.spreadsheet_cells import is_blank
from ferjax.errors import UserError

_LABEL_COLUMNS = ("label", "labels", "emotion", "emotions", "expression", "class", "votes")
_IMAGE_COLUMNS = (
    "pixels",
    "path",
    "image",
    "image_path",
    "img_path",
    "file",
    "filename",
    "filepath",
)
_LIST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".npy", ".xls", ".xlsx")
# Names of image folders that name no emotion: those of splits and of kinds of images.
_NO_EMOTION = re.compile(
    r"(fer2013)?[_-]?(train|valid|val|test|public|private|face|image|aligned|crop)", re.IGNORECASE
)
# The most folders, and files of each, that are examined: enough to recognise a layout.
_MAX_FOLDERS, _MAX_FILES = 200, 50


def why_without_labels(place: Path) -> str:
    """Returns why the images at a path have no labels, as part of a sentence, or an empty text.

    It is called for data that a reader has refused. The text is empty if the data may have labels.
    """
    try:
        return _reason_in_file(place) if place.is_file() else _reason_in_folder(place)
    except (OSError, UserError, ValueError, AttributeError, RecursionError):
        return ""


def predict_instead(place: Path, why: str, network: str) -> UserError:
    """Returns the error for images without labels.

    Args:
      place: path of the images.
      why: the reason, from `why_without_labels`.
      network: the flag that names the network, such as `--workdir=RUN`.
    """
    return UserError(
        f"{place}: {why}, so nothing can be judged there; name the emotions of its faces instead:"
        f" python -m launch.predict {network} {place}"
    )


def _reason_in_file(place: Path) -> str:
    """Returns why a list holds no labels, or an empty text."""
    if place.suffix.lower() in (".jsonl", ".ndjson"):
        with open(place, encoding="utf-8-sig") as file:
            lines = islice(bounded_lines(file), _MAX_FILES)
            rows = [parse_json(line, place, "") for line in lines if line.strip()]
        has_label = any(
            not is_blank(str(row.get(key, ""))) for row in rows for key in _LABEL_COLUMNS
        )
        return "" if has_label or not rows else "no line says an emotion"
    if place.suffix.lower() != ".csv":
        return ""
    rows = (fields for _, fields in csv_records(place))
    header = [name.strip().lower() for name in next(rows, [])]
    if not set(header) & set(_IMAGE_COLUMNS):
        return ""
    columns = [header.index(name) for name in _LABEL_COLUMNS if name in header]
    if not columns:
        return f"its columns are {', '.join(header)}, and none says the emotion"
    has_label = any(not is_blank(row[k]) for row in rows for k in columns if k < len(row))
    return "" if has_label else f"its column {header[columns[0]]} is empty"


def _reason_in_folder(place: Path) -> str:
    """Returns why the images in a folder have no labels, or an empty text."""
    has_data = False
    for folder, names, files in islice(os.walk(place), _MAX_FOLDERS):
        names[:] = sorted(filter(is_visible, names))
        files = sorted(filter(is_visible, files))
        lists = [Path(folder, file) for file in files if file.lower().endswith(_LIST_SUFFIXES)]
        if not all(map(_reason_in_file, lists)):
            return ""  # this list may hold the labels
        images = any(is_image(Path(folder, name)) for name in files[:_MAX_FILES])
        if images and Path(folder) != place and not _NO_EMOTION.match(Path(folder).name):
            return ""
        has_data = has_data or images or bool(lists)
    return "no folder is named by an emotion, and no list says the labels" if has_data else ""
