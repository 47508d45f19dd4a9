"""Writes prediction tables as csv, JSON lines or Parquet."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TextIO

from ferjax.errors import UserError
from ferjax.report.spreadsheet_text import without_formula
from ferjax.runtime.atomic_files import temporary_beside
from ferjax.runtime.optional_packages import require_package

# Number of rows in a row group of a Parquet file.
_ROW_GROUP = 65_536
# Columns of text and of whole numbers; all others hold real numbers.
_TEXT = {"file", "status", "emotion", "set", "reason"}
_WHOLE = {"face", "left", "top", "width", "height", "frame", "person"}


class Columns(Protocol):
    """The columns of a table; see `rows.TableColumns`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the emotions; their columns follow `confidence`."""
        ...

    def names(self) -> list[str]:
        """Returns the names of the columns."""
        ...

    def cells(self, row: Any) -> list[Any]:
        """Returns the values of a row; None is an empty cell."""
        ...


def table_writer(out: Path) -> Callable[[Iterable[Any], Columns, Path], None]:
    """Returns the function (rows, columns, file) that writes a table in the format of `out`.

    Raises:
      UserError: an unknown suffix, or pyarrow is missing for Parquet.
    """
    suffix = out.suffix.lower()
    if suffix not in _WRITERS:
        suffixes = ", ".join(_WRITERS)
        raise UserError(f"--out={out}: a table's name ends in one of {suffixes}.")
    if suffix == ".parquet":
        _pyarrow()
    return _WRITERS[suffix]


def write_table(rows: Iterable[Any], columns: Columns, out: Path) -> None:
    """Writes a table; the file appears when the table is complete.

    Raises:
      UserError: see `table_writer`, or the file cannot be written.
    """
    write = table_writer(out)
    try:
        with temporary_beside(out) as temporary:
            write(rows, columns, temporary)
            os.replace(temporary, out)
    except OSError as error:
        raise UserError(f"--out={out} cannot be written: {error.strerror or error}.") from None


def csv_text(rows: Iterable[Any], columns: Columns, *, header: bool) -> str:
    """Returns rows as csv; probabilities have six decimals, and no text can act as a formula."""
    text = io.StringIO(newline="")
    _write_csv(rows, columns, text, header=header)
    return text.getvalue()


def _write_csv(rows: Iterable[Any], columns: Columns, file: TextIO, *, header: bool) -> None:
    writer = csv.writer(file)
    if header:
        writer.writerow(map(without_formula, columns.names()))
    first = columns.names().index("confidence")
    probability_columns = range(first, first + 1 + len(columns.classes))
    for row in rows:
        cells = columns.cells(row)
        for k in probability_columns:
            cells[k] = None if cells[k] is None else f"{cells[k]:.6f}"
        # Names of files and of emotions may be any text, also a formula.
        writer.writerow(
            without_formula(cell)
            if isinstance(cell, str) and k not in probability_columns
            else cell
            for k, cell in enumerate(cells)
        )


def _csv_file(rows: Iterable[Any], columns: Columns, path: Path) -> None:
    # File names that are not valid Unicode keep their bytes.
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        _write_csv(rows, columns, file, header=True)


def _jsonl_file(rows: Iterable[Any], columns: Columns, path: Path) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            cells = zip(columns.names(), columns.cells(row), strict=True)
            file.write(json.dumps({name: value for name, value in cells if value is not None}))
            file.write("\n")


def _parquet_file(rows: Iterable[Any], columns: Columns, path: Path) -> None:
    arrow, parquet = _pyarrow()
    names = columns.names()
    first = names.index("confidence")
    # Told apart by position: emotions may have any names, also those of other columns.
    probability_columns = range(first, first + 1 + len(columns.classes))
    types = []
    for k, name in enumerate(names):
        if k in probability_columns or name not in _TEXT | _WHOLE:
            types.append(arrow.float64())
        else:
            types.append(arrow.string() if name in _TEXT else arrow.int32())
    schema = arrow.schema(list(zip(names, types, strict=True)))
    with parquet.ParquetWriter(path, schema) as writer:
        group: list[list[Any]] = []

        def flush() -> None:
            values = list(zip(*group, strict=True)) or [()] * len(names)
            arrays = [arrow.array(v, t) for v, t in zip(values, types, strict=True)]
            writer.write_table(arrow.table(arrays, schema=schema))
            group.clear()

        for row in rows:
            cells = columns.cells(row)
            # Text in Parquet has to be valid Unicode.
            cells = [
                cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell
                for cell in cells
            ]
            group.append(cells)
            if len(group) == _ROW_GROUP:
                flush()
        flush()


def _pyarrow() -> tuple[Any, Any]:
    requirement = ("parquet", "A .parquet table", "or give a .csv or .jsonl name.")
    return require_package("pyarrow", *requirement), require_package(
        "pyarrow.parquet", *requirement
    )


_WRITERS: dict[str, Callable[[Iterable[Any], Columns, Path], None]] = {
    ".csv": _csv_file,
    ".jsonl": _jsonl_file,
    ".parquet": _parquet_file,
}
