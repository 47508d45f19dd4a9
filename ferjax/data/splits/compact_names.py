"""A compact sequence of image names: a million names in one block of bytes, without str objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from ferjax.errors import printable


@dataclass(frozen=True, eq=False)
class Names(Sequence[str]):
    r"""N strings that take six bytes each in addition to their text.

    Slices and `take` share the text. File names may contain line ends and bytes that are not UTF-8,
    which are shown as `\n` and `\xff` so that reports can print them (`printable`). `Files` opens
    files by their original bytes.

    Attributes:
      text: UTF-8 of all names, concatenated; undecodable bytes are as on disk.
      starts: uint32 [N], the start of each name in `text`.
      lengths: uint16 [N], the number of bytes of each name.
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
        return printable(self.raw(index).decode("utf-8", "surrogateescape"))

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
    """The paths of the files `names` in the folder `root`; a path is made when it is indexed."""

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
