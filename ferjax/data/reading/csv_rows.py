"""Reads rows of csv files, each with its file, row and line number for error messages."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ferjax.config.given_files import bounded_lines, check_no_special_file
from ferjax.errors import UserError


def csv_records(path: Path, first_row: int = 1) -> Iterator[tuple[str, list[str]]]:
    """Yields (location for messages, fields) of each row that is not blank.

    Args:
      path: the csv file, UTF-8 with or without a byte order mark, with any line ends.
      first_row: number of the first row; 0 if it is a header, which is not counted.

    Raises:
      UserError: the file is missing or is not csv text.
    """
    check_no_special_file(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(bounded_lines(file))
            row = first_row
            for fields in reader:
                if len(fields) > 1 or (fields and fields[0].strip()):
                    yield f"{path}: row {row} (line {reader.line_num})", fields
                    row += 1
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: not a readable csv file ({error}); expected UTF-8 text with fields separated "
            "by commas. Copy or download the file again"
        ) from error


def csv_header(path: Path) -> list[str]:
    """Returns the fields of the first row, stripped and in lower case; none for an empty file.

    Raises:
      UserError: the file is missing or is not csv text.
    """
    return [name.strip().lower() for name in next(csv_records(path), ("", []))[1]]


def named_rows(
    path: Path, columns: Sequence[str], hint: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Yields (location for messages, stripped fields of `columns`) of each row after the header.

    Args:
      path: the csv file; its columns may be in any order, and there may be more of them.
      columns: names to look for in the header; spaces around its names and case do not matter.
      hint: text that is appended to the error for missing columns.

    Raises:
      UserError: a column is missing, or a row has more or fewer fields than the header.
    """
    rows = csv_records(path, first_row=0)
    header = [name.strip() for name in next(rows, ("", []))[1]]
    lower = [name.lower() for name in header]
    indices = [lower.index(name.lower()) for name in columns if name.lower() in lower]
    if len(indices) < len(columns):
        raise UserError(
            f"{path}: columns {', '.join(header)[:200] or 'none'}; expected {', '.join(columns)}"
            f"{hint}"
        )
    for location, fields in rows:
        if len(fields) != len(header):
            raise UserError(
                f"{location}: {len(fields)} fields, expected {len(header)} as in the header; the "
                "file may be cut off: download it again"
            )
        yield location, [fields[i].strip() for i in indices]
