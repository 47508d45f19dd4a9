"""The journal of a feature store: one text line with a checksum for each complete block of rows.

A line is "first count crc32": two decimal numbers and 8 hexadecimal digits. It is written after its
rows. The journal may be truncated or damaged anywhere; text that is not a whole line is ignored.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.data.storage.locks_and_writes import sync_folder, write_durably

_LINE = re.compile(rb"(\d{1,18}) (\d{1,18}) ([0-9a-f]{8})")


@dataclass(frozen=True)
class Block:
    """Complete rows `first` to `first + count - 1`, and the CRC-32 of their bytes."""

    first: int
    count: int
    crc32: int

    @property
    def rows(self) -> slice:
        """Returns the rows of the block as a slice."""
        return slice(self.first, self.first + self.count)

    @property
    def line(self) -> bytes:
        """Returns the line of the block in the journal."""
        return f"{self.first} {self.count} {self.crc32:08x}\n".encode()


def read_journal(path: Path, total: int) -> list[Block]:
    """Returns the blocks within `total` rows; blocks of a damaged journal may overlap."""
    *whole_lines, _ = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    lines = map(_LINE.fullmatch, whole_lines)
    blocks = [Block(int(line[1]), int(line[2]), int(line[3], 16)) for line in lines if line]
    return [block for block in blocks if 0 < block.count <= total - block.first]


def write_journal(path: Path, blocks: list[Block]) -> None:
    """Replaces a journal atomically, so that it lists exactly these blocks.

    Raises:
      OSError: the journal cannot be written; it stays as it was.
    """
    text = b"".join(block.line for block in blocks)
    if path.is_file() and path.read_bytes() == text:
        return
    new = path.with_name(f"{path.name}.new")
    with open(new, "wb", buffering=0) as file:
        write_durably(file, text)
    new.replace(path)
    sync_folder(path.parent)


def missing_rows(blocks: list[Block], total: int, max_count: int) -> list[tuple[int, int]]:
    """Returns (first, count) of runs of rows in no block; a run has at most `max_count` rows."""
    missing = np.ones(total, bool)
    for block in blocks:
        missing[block.rows] = False
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False)).reshape(-1, 2).tolist()
    return [
        (first, min(max_count, stop - first))
        for start, stop in edges
        for first in range(start, stop, max_count)
    ]
