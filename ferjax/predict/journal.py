"""The journal of an unfinished table, with which a killed command continues where it stopped.

`OUT.partial` holds JSON lines: first the facts that decide the content of the table, then the rows
of every chunk of work, and after each chunk a line that ends it. Rows after the last such line are
those of an incomplete chunk and are cut off. The remaining chunks are computed as in a run without
interruption, so that the table is the same.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ferjax.errors import UserError

T = TypeVar("T")
V = TypeVar("V")

# Beginnings of the first line, whose keys are sorted, and of a line that ends a chunk.
_BEGIN, _END = b'{"annotate":', b'{"chunk":'


@dataclass(frozen=True)
class Journal:
    """An open journal.

    Attributes:
      chunks: number of chunks that are complete already.
      state: the JSON value that ends the last of them; None if there is none.
      add: function (lines, state) that adds a chunk: its rows as lines of JSON, and the value that
        ends it.
    """

    chunks: int
    state: Any
    add: Callable[[str, Any], None]


def journal_path(out: Path) -> Path:
    """Returns the path of the journal of a table."""
    return out.with_name(f"{out.name}.partial")


def check_is_new(path: Path, flag: str = "out") -> None:
    """Raises `UserError` if a file or folder with the name of a result exists."""
    if os.path.lexists(path):
        raise UserError(f"--{flag}={path} exists already; give another name.")


def goes_on(out: Path, command: Mapping[str, Any]) -> bool:
    """Returns whether this command continues an unfinished one, whose results may exist already."""
    try:
        with journal_path(out).open("rb") as file:
            return file.readline() == _header(command)
    except OSError:
        return False


def _header(command: Mapping[str, Any]) -> bytes:
    return (json.dumps(command, sort_keys=True) + "\n").encode()


@contextlib.contextmanager
def open_journal(out: Path, command: Mapping[str, Any]) -> Iterator[Journal]:
    """Yields the journal of a table, new or continued.

    Args:
      out: the table.
      command: JSON values of the command that decide what the table holds; the first key is
        `annotate`. A journal with other values is refused.

    Raises:
      UserError: the table exists, its folder cannot be written, another process writes it, or its
        journal belongs to another command.
    """
    path, header = journal_path(out), _header(command)
    _check_is_unfinished(out, path, header)
    try:
        file = path.open("a+b")
    except OSError as error:
        raise UserError(f"--out={out} cannot be written: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"--out={out}: another command is writing it.") from None
        done, state = _chunks_done(file, header, path)
        number = done

        def add(lines: str, state: Any = None) -> None:
            nonlocal number
            number += 1
            end = json.dumps({"chunk": number, "state": state}) + "\n"
            _append(file, (lines + end).encode("utf-8"), out)

        if not done:
            file.truncate(0)
            _append(file, header, out)
        yield Journal(done, state, add)


def _check_is_unfinished(out: Path, path: Path, header: bytes) -> None:
    """Raises `UserError` if the table exists; the journal of a complete one is removed."""
    if not os.path.lexists(out):
        return
    with contextlib.suppress(OSError):
        with path.open("rb") as file:
            complete = file.readline() == header
        if complete:
            # The command was killed after it had written the table and before it ended.
            path.unlink()
            raise UserError(f"--out={out} is complete already.")
    check_is_new(out)


def _append(file: BinaryIO, data: bytes, out: Path) -> None:
    """Appends bytes to a file; they are on disk when the function returns."""
    try:
        # Not through the file's buffer: it would keep the bytes that a full disk refuses, and write
        # them later.
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file.fileno(), rest) :]
        os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"--out={out} cannot be written: {error.strerror}.") from None


def _chunks_done(file: BinaryIO, header: bytes, path: Path) -> tuple[int, Any]:
    """Returns the number of complete chunks and the last state; cuts off the lines after them."""
    file.seek(0)
    first_line = file.readline()
    if not first_line.endswith(b"\n") and header.startswith(first_line):
        return 0, None
    done, end, last_end = 0, file.tell(), b""
    while (line := file.readline()).endswith(b"\n"):
        if line.startswith(_END):
            done, end, last_end = done + 1, file.tell(), line
    if first_line != header:
        # The journal of a command without a complete chunk, such as one with a wrong flag, is
        # replaced.
        if not done and first_line.startswith(_BEGIN):
            return 0, None
        raise UserError(
            f"{path} holds the unfinished table of another command, or of other files or weights."
            " Give another --out, or remove it."
        )
    file.truncate(end)
    file.seek(end)
    return done, converted_entry(path, _state, last_end) if done else None


def _state(last_line: bytes) -> Any:
    """Returns the state in a line that ends a chunk."""
    return json.loads(last_line)["state"]


def journal_rows(out: Path, row_of_line: Callable[[bytes], T]) -> Iterator[T]:
    """Yields the rows of a complete journal, without the lines that end chunks.

    Args:
      out: the table.
      row_of_line: function from a line of JSON to a row.

    Raises:
      UserError: a line is not a row.
    """
    path = journal_path(out)
    with path.open("rb") as file:
        next(file)
        for line in file:
            if not line.startswith(_END):
                yield converted_entry(path, row_of_line, line)


def converted_entry(journal: Path, convert: Callable[[V], T], entry: V) -> T:
    """Returns an entry of a journal converted; raises `UserError` if the entry is damaged."""
    try:
        return convert(entry)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"{journal} is damaged: {str(entry)[:60].strip()!r} is not what ferjax wrote there."
            " Remove the file; the same command then begins anew."
        ) from None
