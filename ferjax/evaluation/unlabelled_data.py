"""Images without labels, which no network can be judged on: told, and sent to `launch.predict`."""

import os
import re
from itertools import islice
from pathlib import Path

from ferjax.config.given_files import bounded_lines, parse_json
from ferjax.data.reading.csv_rows import csv_records
from ferjax.data.reading.image_names import is_image, is_visible
from ferjax.data.reading.spreadsheet_cells import is_blank
from ferjax.errors import UserError

_LABELS = ("label", "labels", "emotion", "emotions", "expression", "class", "votes")
_IMAGES = ("pixels", "path", "image", "image_path", "img_path", "file", "filename", "filepath")
_LISTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".npy", ".xls", ".xlsx")
# Folders of images whose names say nothing about an emotion: of splits, and of kinds of images.
_NO_CLASS = re.compile(
    r"(fer2013)?[_-]?(train|valid|val|test|public|private|face|image|aligned|crop)", re.IGNORECASE
)
# Folders that are looked at, and files of each: enough to tell a layout.
_FOLDERS, _FILES = 200, 50


def why_without_labels(place: Path) -> str:
    """Returns why the images at a place have no labels, as a sentence's part, or nothing.

    It is for data that a reader has refused: nothing is said of what might have labels.
    """
    try:
        return _why_file(place) if place.is_file() else _why_folder(place)
    except (OSError, UserError, ValueError, AttributeError, RecursionError):
        return ""


def predict_instead(place: Path, why: str, network: str) -> UserError:
    """Returns the error for images without labels.

    Args:
      place: where they are.
      why: from `why_without_labels`.
      network: the flag that names the network, such as `--workdir=RUN`.
    """
    return UserError(
        f"{place}: {why}, so nothing can be judged there; name the emotions of its faces instead:"
        f" python -m launch.predict {network} {place}"
    )


def _why_file(place: Path) -> str:
    if place.suffix.lower() in (".jsonl", ".ndjson"):
        with open(place, encoding="utf-8-sig") as file:
            lines = islice(bounded_lines(file), _FILES)
            rows = [parse_json(line, place, "") for line in lines if line.strip()]
        named = any(not is_blank(str(row.get(key, ""))) for row in rows for key in _LABELS)
        return "" if named or not rows else "no line says an emotion"
    if place.suffix.lower() != ".csv":
        return ""
    rows = (fields for _, fields in csv_records(place))
    header = [name.strip().lower() for name in next(rows, [])]
    if not set(header) & set(_IMAGES):
        return ""
    columns = [header.index(name) for name in _LABELS if name in header]
    if not columns:
        return f"its columns are {', '.join(header)}, and none says the emotion"
    filled = any(not is_blank(row[k]) for row in rows for k in columns if k < len(row))
    return "" if filled else f"its column {header[columns[0]]} is empty"


def _why_folder(place: Path) -> str:
    found = False
    for folder, names, files in islice(os.walk(place), _FOLDERS):
        names[:] = sorted(filter(is_visible, names))
        files = sorted(filter(is_visible, files))
        lists = [Path(folder, file) for file in files if file.lower().endswith(_LISTS)]
        if not all(map(_why_file, lists)):
            return ""  # a list that may say the labels
        images = any(is_image(Path(folder, name)) for name in files[:_FILES])
        if images and Path(folder) != place and not _NO_CLASS.match(Path(folder).name):
            return ""
        found = found or images or bool(lists)
    return "no folder is named by an emotion, and no list says the labels" if found else ""
