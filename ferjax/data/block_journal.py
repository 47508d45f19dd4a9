"""Which rows of a file are complete: a text line for each block, written after its rows.

A line is "first count crc32", decimal, decimal and 8 hexadecimal digits. The file may end or be
damaged anywhere: what is no whole line promises nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.data.store_files import sync_folder, write_lasting

_LINE = re.compile(r"(\d{1,18}) (\d{1,18}) ([0-9a-f]{8})\n")


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
    """Returns the blocks within `total` rows that a journal names, no two with a row in common."""
    text = path.read_text("latin-1") if path.is_file() else ""
    blocks, taken = [], np.zeros(total, bool)
    for match in map(_LINE.fullmatch, text.splitlines(keepends=True)):
        if match:
            block = Block(int(match[1]), int(match[2]), int(match[3], 16))
            inside = 0 < block.count <= total - block.first
            if inside and not taken[block.rows].any():
                taken[block.rows] = True
                blocks.append(block)
    return blocks


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
