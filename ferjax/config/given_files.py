"""Safe reading of files from any author: regular files only, and JSON and text of bounded size."""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ferjax.errors import UserError, one_line

# The largest report, that of a search of thousands of trials, has some 10 MB.
MOST_JSON_BYTES = 128 << 20
# A list of ten million images, and a row of the pixels of a photograph, are shorter.
MOST_TEXT_BYTES, LONGEST_LINE = 512 << 20, 4 << 20
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# Errors that missing values, or values of another type, raise when they are used.
_BAD_VALUE_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)


def special_kind(path: str | Path) -> str | None:
    """Returns `a pipe`, `a device` or `a socket`, or None for a file, a folder or a missing path.

    Opening a pipe waits for its other end, and reading a device may never end.
    """
    try:
        return _KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    except (OSError, ValueError):
        return None


def check_no_special_file(path: str | Path) -> None:
    """Raises `UserError` for a pipe, a device or a socket."""
    if kind := special_kind(path):
        raise UserError(f"{path} is {kind}, expected a file. Copy its content into a file.")


def check_text_file(path: Path, advice: str) -> None:
    """Raises `UserError` if a text file is a special file, or too large to be read as a whole.

    Args:
      path: the file; a missing file raises no error here.
      advice: sentences that say what to do, for the error.
    """
    check_no_special_file(path)
    with contextlib.suppress(OSError):
        if (size := os.stat(path).st_size) > MOST_TEXT_BYTES:
            raise UserError(
                f"{path}: {size:,} bytes, expected text of at most {MOST_TEXT_BYTES:,}. {advice}"
            )


def bounded_lines(file: IO[str]) -> Iterator[str]:
    """Yields the lines of an opened text file; a line that is too long raises `ValueError`."""
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise ValueError(f"a line of more than {LONGEST_LINE:,} characters")
        yield line


def parse_json(text: str | bytes, where: str | Path, advice: str) -> Any:
    """Returns the value of a JSON text.

    Args:
      text: the text; bytes are UTF-8.
      where: the file, for the error.
      advice: sentences that say what to do, for the error.

    Raises:
      UserError: the text is not JSON, not UTF-8, or nested too deeply for Python.
    """
    try:
        return json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON ({one_line(error)}). {advice}") from None


def read_json(path: Path, advice: str) -> Any:
    """Returns the value in a JSON file.

    Args:
      path: the file.
      advice: sentences that say what to do, for the error.

    Raises:
      UserError: the file is missing, cannot be read, is too large, or is not JSON.
    """
    check_no_special_file(path)
    try:
        if (size := os.stat(path).st_size) > MOST_JSON_BYTES:
            raise UserError(
                f"{path}: {size:,} bytes, expected JSON of at most {MOST_JSON_BYTES:,}. {advice}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). {advice}") from None
    return parse_json(content, path, advice)


def read_json_object(path: Path, advice: str) -> dict[str, Any]:
    """Returns the JSON object in a file; raises `UserError` as `read_json` and for other values."""
    value = read_json(path, advice)
    if not isinstance(value, dict):
        raise UserError(f"{path}: a JSON object expected, found {type(value).__name__}. {advice}")
    return value


@contextlib.contextmanager
def fitting_values(where: str | Path, advice: str) -> Iterator[None]:
    """Raises `UserError` if a value that the block takes from a file is missing or does not fit.

    Args:
      where: the file, for the error.
      advice: sentences that say what to do, for the error.
    """
    try:
        yield
    except _BAD_VALUE_ERRORS as error:
        raise UserError(
            f"{where}: a value is missing or does not fit ({type(error).__name__}:"
            f" {one_line(error)})."
            f" {advice}"
        ) from None
