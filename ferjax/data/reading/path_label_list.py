"""Reads a csv or jsonl list of images with the columns path, label, split and subject."""

import csv
from collections.abc import Iterator
from pathlib import Path
from types import NoneType

from ferjax.config.given_files import LONGEST_LINE, bounded_lines, parse_json
from ferjax.data.reading.image_names import IMAGE_SUFFIXES
from ferjax.data.reading.image_table_columns import Listing, ListingBuilder
from ferjax.data.reading.portable_paths import path_on_this_system
from ferjax.data.reading.split_names import SPLIT_NAMES, split_named
from ferjax.data.reading.spreadsheet_cells import is_blank
from ferjax.errors import UserError, printable, unknown_name

LIST_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
# Column → its names in headers. A csv without a header line has the columns in this order.
_HEADERS = {
    "path": ("path", "image", "image_path", "img_path", "file", "filename", "filepath"),
    "label": ("label", "emotion", "expression", "class"),
    "split": ("split", "subset", "usage", "phase"),
    "subject": ("subject", "subject_id", "person", "identity"),
}
_COLUMN_OF_HEADER = {header: column for column, names in _HEADERS.items() for header in names}
_EXPECTED = "expected path,label[,split][,subject]"


def read_list(path: Path) -> Listing:
    """Reads a list file row by row; paths are relative to its folder, also with Windows separators.

    A csv file may start with a header line, which may have more columns. Without a header line the
    columns are path, label, split, subject in this order. Fields are separated by commas, or by the
    semicolons or tabs of the first line. A jsonl file has one object per line. Rows without a label
    (empty, `nan`, `null`, `-`, ...) are left out, and a note counts them.

    Raises:
      UserError: a row is incomplete, truncated, repeated or not understood, or no row has a label;
        the message names the file and the line.
    """
    path = Path(path)
    jsonl = path.suffix.lower() in (".jsonl", ".ndjson")
    builder = ListingBuilder(str(path))
    line, label, unlabelled, without_subject = 0, "", [], 0
    try:
        for line, row in _jsonl_rows(path) if jsonl else _csv_rows(path):
            if not row.get("path"):
                raise UserError(f"{path}:{line}: no path; {_EXPECTED}")
            name, label = row.pop("path"), row.get("label", "")
            if is_blank(label):
                unlabelled.append(line)
                continue
            if "split" in row:
                split = split_named(row["split"])
                if split is None:
                    raise unknown_name(f"split in {path}:{line}:", row["split"], SPLIT_NAMES)
                row["split"] = split
            if is_blank(row.get("subject", "somebody")):
                row["subject"], without_subject = "", without_subject + 1
            row = {key: printable(value) for key, value in row.items()}
            builder.add(path_on_this_system(name, path.parent, f"{path}:{line}"), row)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}:{line + 1}: cannot be read ({error}); {_EXPECTED}") from error
    is_cut = unlabelled and unlabelled[-1] == line and not _ends_with_newline(path)
    if is_cut or (unlabelled and not len(builder)):
        raise UserError(f"{path}:{unlabelled[-1]}: no label; {_EXPECTED}")
    notes = []
    if unlabelled:
        notes.append(
            f"{len(unlabelled):,} rows of {path.name} have no label and are left out, the first in "
            f"line {unlabelled[0]:,}"
        )
    if without_subject:
        notes.append(
            f"{without_subject:,} rows of {path.name} name no subject: they count as one person"
        )
    listing = builder.listing(path.parent, tuple(notes))
    counts = listing.columns["label"].counts()
    is_prefix = any(other.startswith(label) and other != label for other in counts)
    if counts.get(label) == 1 and is_prefix and not _ends_with_newline(path):
        raise UserError(
            f"{path}:{line}: the last row is cut: it ends in {label!r}, which no other row has, "
            "without a line end; copy the list again"
        )
    return listing


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (line number, column → text) of each row."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first_line = file.readline(LONGEST_LINE)
        file.seek(0)
        separator = next((s for s in ";\t" if s in first_line and "," not in first_line), ",")
        lines = bounded_lines(file)
        reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
        columns: list[tuple[int, str]] = []
        width = 0
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            if not columns:
                width = len(row)
                columns, header = _columns(path, row, separator)
                if header:
                    continue
            if len(row) != width:
                raise UserError(
                    f"{path}:{reader.line_num}: {len(row)} fields, {width} in the first line; "
                    "the row is cut, or a comma in a name is not in quotes"
                )
            yield reader.line_num, {key: row[i].strip() for i, key in columns}


def _columns(
    path: Path, first_row: list[str], separator: str
) -> tuple[list[tuple[int, str]], bool]:
    """Returns (index, name) of the columns, and whether `first_row` is a header line."""
    names = [name.strip().lower() for name in first_row]
    columns = [
        (i, _COLUMN_OF_HEADER[name]) for i, name in enumerate(names) if name in _COLUMN_OF_HEADER
    ]
    names_found = [key for _, key in columns]
    if {"path", "label"} <= set(names_found) and len(set(names_found)) == len(names_found):
        return columns, True
    if Path(names[0]).suffix in IMAGE_SUFFIXES and 2 <= len(names) <= len(_HEADERS):
        return list(enumerate(_HEADERS))[: len(names)], False
    raise UserError(
        f"{path}:1: the first line is {separator.join(first_row)[:80]!r}; {_EXPECTED}, each once"
        + ". A csv of pixels goes in with --dataset=fer2013" * ("pixels" in names)
    )


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (line number, column → text) of each row."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(bounded_lines(file), start=1):
            if not line.strip():
                continue
            row = parse_json(line, f"{path}:{number}", "The line is cut, or no JSON was meant.")
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}: {line[:60]!r} is no object with path and label")
            columns = {
                _COLUMN_OF_HEADER[key.lower()]: value
                for key, value in row.items()
                if key.lower() in _COLUMN_OF_HEADER
            }
            for key, value in columns.items():
                if not isinstance(value, (str, int, float, NoneType)):
                    raise UserError(f"{path}:{number}: {key} is {value!r}, expected a string")
            yield (
                number,
                {
                    key: "" if value is None else str(value).strip()
                    for key, value in columns.items()
                },
            )


def _ends_with_newline(path: Path) -> bool:
    """Returns whether the file's last byte ends a line."""
    with open(path, "rb") as file:
        file.seek(-1, 2)
        return file.read() in (b"\n", b"\r")
