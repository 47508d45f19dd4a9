"""Reads a csv or jsonl list of images with the columns path, label, split and subject."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from ferjax.data.reading.class_folders import IMAGE_SUFFIXES
from ferjax.data.reading.folder_walk import SPLIT_NAMES
from ferjax.data.reading.image_table_columns import Listing, ListingBuilder
from ferjax.errors import UserError, unknown_name

LIST_SUFFIXES = frozenset({".csv", ".jsonl", ".ndjson"})
# Column → header names that mean it. A csv without a header line has the columns in this order.
_HEADERS = {
    "path": ("path", "image", "image_path", "img_path", "file", "filename", "filepath"),
    "label": ("label", "emotion", "expression", "class"),
    "split": ("split", "subset", "usage", "phase"),
    "subject": ("subject", "subject_id", "person", "identity"),
}
_COLUMN_OF_HEADER = {header: column for column, names in _HEADERS.items() for header in names}
_EXPECTED = "expected path,label[,split][,subject]"


def read_list(path: Path) -> Listing:
    """Reads a list file row by row; paths are relative to its folder.

    A csv file may start with a header line, which may have more columns. Without a header line the
    columns are path, label, split, subject in this order. A jsonl file has one object per line.

    Raises:
      UserError: a row is incomplete, truncated, repeated or not understood; the message names the
        file and the line.
    """
    path = Path(path)
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _jsonl_rows(path)
    builder = ListingBuilder(str(path))
    line, label = 0, ""
    try:
        for line, row in rows:
            for key in ("path", "label"):
                if not row.get(key):
                    raise UserError(f"{path}:{line}: no {key}; {_EXPECTED}")
            name, label = row.pop("path"), row["label"]
            if "split" in row:
                split = row["split"].lower()
                if split not in SPLIT_NAMES:
                    raise unknown_name(f"split in {path}:{line}:", row["split"], SPLIT_NAMES)
                row["split"] = SPLIT_NAMES[split]
            builder.add(name, row)
    except (OSError, csv.Error) as error:
        raise UserError(f"{path}:{line + 1}: cannot be read ({error}); {_EXPECTED}") from error
    listing = builder.listing(path.parent)
    counts = listing.columns["label"].counts()
    longer = any(other.startswith(label) and other != label for other in counts)
    if counts[label] == 1 and longer and not _ends_with_newline(path):
        raise UserError(
            f"{path}:{line}: the last row is cut: it ends in {label!r}, which no other row has, "
            "without a line end; copy the list again"
        )
    return listing


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (line number, column → text) of each row."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True, skipinitialspace=True)
        columns: list[tuple[int, str]] = []
        width = 0
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            if not columns:
                width = len(row)
                columns, header = _columns(path, row)
                if header:
                    continue
            if len(row) != width:
                raise UserError(
                    f"{path}:{reader.line_num}: {len(row)} fields, {width} in the first line; "
                    "the row is cut, or a comma in a name is not in quotes"
                )
            yield reader.line_num, {key: row[i].strip() for i, key in columns}


def _columns(path: Path, first: list[str]) -> tuple[list[tuple[int, str]], bool]:
    """Returns (index, name) of the columns, and whether `first` is a header line."""
    names = [name.strip().lower() for name in first]
    columns = [
        (i, _COLUMN_OF_HEADER[name]) for i, name in enumerate(names) if name in _COLUMN_OF_HEADER
    ]
    names_found = [key for _, key in columns]
    if {"path", "label"} <= set(names_found) and len(set(names_found)) == len(names_found):
        return columns, True
    if Path(names[0]).suffix in IMAGE_SUFFIXES and 2 <= len(names) <= len(_HEADERS):
        return list(enumerate(_HEADERS))[: len(names)], False
    raise UserError(f"{path}:1: the first line is {','.join(first)[:80]!r}; {_EXPECTED}, each once")


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (line number, column → text) of each row."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}:{number}: not JSON ({error}); the line is cut") from error
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}: {line[:60]!r} is no object with path and label")
            columns = {
                _COLUMN_OF_HEADER[key.lower()]: value
                for key, value in row.items()
                if key.lower() in _COLUMN_OF_HEADER
            }
            for key, value in columns.items():
                if not isinstance(value, (str, int)):
                    raise UserError(f"{path}:{number}: {key} is {value!r}, expected a string")
            yield number, {key: str(value).strip() for key, value in columns.items()}


def _ends_with_newline(path: Path) -> bool:
    """Returns whether the file's last byte ends a line."""
    with open(path, "rb") as file:
        file.seek(-1, 2)
        return file.read() in (b"\n", b"\r")
