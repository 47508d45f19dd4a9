"""Which rows of a file are complete: a text line for each block, written after its rows.

A line is "first count crc32", decimal, decimal and 8 hexadecimal digits. The file may end or be
damaged anywhere: what is no whole line promises nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.data.storage.locks_and_writes import sync_folder, write_lasting

_LINE = re.compile(rb"(\d{1,18}) (\d{1,18}) ([0-9a-f]{8})")


@dataclass(frozen=True)
class Block:
    """Rows `first` to `first + count - 1`, complete with this CRC-32 of their bytes."""

    first: int
    count: int
    crc32: int

    @property
    def rows(self) -> slice:
        """Returns the slice of its rows."""
        return slice(self.first, self.first + self.count)

    @property
    def line(self) -> bytes:
        """Returns its line of the journal."""
        return f"{self.first} {self.count} {self.crc32:08x}\n".encode()


def read_journal(path: Path, total: int) -> list[Block]:
    """Returns the blocks within `total` rows that a journal names; damage may make some overlap."""
    *whole, _ = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    lines = map(_LINE.fullmatch, whole)
    blocks = [Block(int(line[1]), int(line[2]), int(line[3], 16)) for line in lines if line]
    return [block for block in blocks if 0 < block.count <= total - block.first]


def write_journal(path: Path, blocks: list[Block]) -> None:
    """Makes a journal name these blocks and no other, at once.

    Raises:
      OSError: it cannot be written, and is as before.
    """
    text = b"".join(block.line for block in blocks)
    if path.is_file() and path.read_bytes() == text:
        return
    new = path.with_name(f"{path.name}.new")
    with open(new, "wb", buffering=0) as file:
        write_lasting(file, text)
    new.replace(path)
    sync_folder(path.parent)


def missing_rows(blocks: list[Block], total: int, most: int) -> list[tuple[int, int]]:
    """Returns (first, count) of all rows in no block, in order, at most `most` rows at a time."""
    missing = np.ones(total, bool)
    for block in blocks:
        missing[block.rows] = False
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False)).reshape(-1, 2).tolist()
    return [
        (first, min(most, stop - first))
        for start, stop in edges
        for first in range(start, stop, most)
    ]
