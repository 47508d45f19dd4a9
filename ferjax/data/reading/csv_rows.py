"""Rows of csv files, each with the place an error can name, and refusals instead of tracebacks."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ferjax.errors import UserError


def csv_records(path: Path, first_row: int = 1) -> Iterator[tuple[str, list[str]]]:
    """Yields (place in words, fields) of each row that is not blank.

    Args:
      path: the csv file, UTF-8 with or without a byte order mark, lines ended in any way.
      first_row: number of the first row: 0 where it is a header, which is not counted.

    Raises:
      UserError: the file is missing or no csv text.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            row = first_row
            for fields in reader:
                if fields:
                    yield f"{path}: row {row} (line {reader.line_num})", fields
                    row += 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path}: not a readable csv file ({error}); expected UTF-8 text with fields separated "
            "by commas. Copy or download the file again"
        ) from error


def csv_header(path: Path) -> list[str]:
    """Returns the fields of the first row, without the spaces around them; none of an empty file.

    Raises:
      UserError: the file is missing or no csv text.
    """
    return [name.strip() for name in next(csv_records(path), ("", []))[1]]


def named_rows(
    path: Path, columns: Sequence[str], hint: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Yields (place in words, the fields of `columns`, stripped) of each row below the header.

    Args:
      path: the csv file; its columns may stand in any order and be more than `columns`.
      columns: names to look for in the header, whose names are stripped of spaces.
      hint: what the error for other columns adds.

    Raises:
      UserError: no such columns, or a row with more or fewer fields than the header.
    """
    rows = csv_records(path, first_row=0)
    header = [name.strip() for name in next(rows, ("", []))[1]]
    places = [header.index(name) for name in columns if name in header]
    if len(places) < len(columns):
        raise UserError(
            f"{path}: columns {', '.join(header)[:200] or 'none'}; expected {', '.join(columns)}"
            f"{hint}"
        )
    for place, fields in rows:
        if len(fields) != len(header):
            raise UserError(
                f"{place}: {len(fields)} fields, expected {len(header)} as in the header; the file "
                "may be cut off: download it again"
            )
        yield place, [fields[i].strip() for i in places]
