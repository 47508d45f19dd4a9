"""The lines of an unfinished table on disk, so that a killed command goes on where it was.

`OUT.partial` holds JSON lines: what the command was asked, then the rows of every chunk of work and
a line that ends the chunk. A chunk is complete or not there: what follows the last end is cut off.
Chunks are computed as in an undisturbed run, so that the table is the same.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ferjax.errors import UserError

_END = b'{"chunk":'


@dataclass(frozen=True)
class Journal:
    """An open journal.

    Attributes:
      chunks: how many chunks are done already.
      state: the JSON value that ends the last of them; None if there is none.
      add: (lines, state) → adds a chunk: its rows as lines of JSON, and the value that ends it.
    """

    chunks: int
    state: Any
    add: Callable[[str, Any], None]


def journal_path(out: Path) -> Path:
    """Returns the path of the journal of a table."""
    return out.with_name(f"{out.name}.partial")


def check_is_new(path: Path, flag: str = "out") -> None:
    """Raises `UserError` if there is something under the name of a result."""
    if os.path.lexists(path):
        raise UserError(f"--{flag}={path} exists already; give another name.")


@contextlib.contextmanager
def open_journal(out: Path, asked: Mapping[str, Any]) -> Iterator[Journal]:
    """Yields the journal of a table, begun or continued.

    Args:
      out: the table.
      asked: JSON values that decide what the table holds. A journal of something else is refused.

    Raises:
      UserError: the table exists, its folder cannot be written, another process writes it, or the
        journal there is that of another command.
    """
    path = journal_path(out)
    check_is_new(out)
    try:
        file = path.open("a+b")
    except OSError as error:
        raise UserError(f"--out={out} cannot be written: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"--out={out}: another command is writing it.") from None
        header = (json.dumps(asked, sort_keys=True) + "\n").encode()
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


def _append(file: BinaryIO, data: bytes, out: Path) -> None:
    try:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"--out={out} cannot be written: {error.strerror}.") from None


def _chunks_done(file: BinaryIO, header: bytes, path: Path) -> tuple[int, Any]:
    """Returns the number of complete chunks and the last state; what follows them is cut off."""
    file.seek(0)
    first = file.readline()
    if not first.endswith(b"\n"):
        return 0, None
    if first != header:
        raise UserError(
            f"{path} holds the unfinished table of another command, or of other files or weights."
            " Give another --out, or remove it."
        )
    done, end, state = 0, file.tell(), None
    while (line := file.readline()).endswith(b"\n"):
        if line.startswith(_END):
            done, end, state = done + 1, file.tell(), json.loads(line)["state"]
    file.truncate(end)
    file.seek(end)
    return done, state


def journal_lines(out: Path) -> Iterator[str]:
    """Yields the lines of JSON of a complete journal, without the ends of chunks."""
    with open(journal_path(out), encoding="utf-8") as file:
        next(file)
        yield from (line for line in file if not line.startswith(_END.decode()))
