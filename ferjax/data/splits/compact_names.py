"""Many names in one block of bytes: a million of them without a million Python objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np


@dataclass(frozen=True, eq=False)
class Names(Sequence[str]):
    r"""N strings, six bytes each beside their text; slices and `take` share the text.

    Bytes that are no UTF-8 (file names may hold any) show as `\xff`, so that a report can print
    every name; `Files` opens them as they are.

    Attributes:
      text: UTF-8 of all names, joined, undecodable bytes of file names as they are on disk.
      starts: uint32 [N], where each begins.
      lengths: uint16 [N], bytes of each.
    """

    text: bytes | bytearray
    starts: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Names": ...
    def __getitem__(self, index: int | slice) -> "str | Names":
        if isinstance(index, slice):
            return Names(self.text, self.starts[index], self.lengths[index])
        return self.raw(index).decode("utf-8", "backslashreplace")

    def take(self, positions: np.ndarray) -> "Names":
        """Returns the names at int positions [M], in that order."""
        positions = np.asarray(positions, np.intp)
        return Names(self.text, self.starts[positions], self.lengths[positions])

    def raw(self, index: int) -> bytes:
        """Returns the bytes of one name."""
        start = int(self.starts[index])
        return bytes(self.text[start : start + int(self.lengths[index])])


@dataclass(frozen=True, eq=False)
class Files(Sequence[Path]):
    """The files of a folder that go by `names`: joined to it when asked for, not before."""

    root: Path
    names: Names

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> "Files": ...
    def __getitem__(self, index: int | slice) -> "Path | Files":
        if isinstance(index, slice):
            return Files(self.root, self.names[index])
        return self.root / self.names.raw(index).decode("utf-8", "surrogateescape")
