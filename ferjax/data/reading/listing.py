"""What images a folder or a list holds, row by row in compact columns, with no file opened."""

import os
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.data.splits.name_block import Names
from ferjax.errors import UserError

_CHUNK = 1 << 12
# Column → the type of its codes, and the most values that it can sensibly have.
_COLUMNS = {"label": ("B", 250), "split": ("B", 3), "subject": ("I", 1 << 32)}
_NUMPY = {"B": np.uint8, "I": np.uint32}


@dataclass(frozen=True)
class Column:
    """A column of few values: uint codes [N] that index `values`, in order of appearance."""

    codes: np.ndarray
    values: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Returns value → number of rows."""
        found = np.zeros(len(self.values), np.int64)
        for first in range(0, len(self.codes), _CHUNK):  # bincount copies to int64
            found += np.bincount(self.codes[first : first + _CHUNK], minlength=len(self.values))
        return dict(zip(self.values, found.tolist(), strict=True))


@dataclass(frozen=True)
class Listing:
    """N images, none of them opened yet.

    Attributes:
      root: what relative names are relative to.
      names: the images.
      columns: `label` always, `split` and `subject` where known.
      notes: remarks for the report.
    """

    root: Path
    names: Names
    columns: dict[str, Column]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


class Collector:
    """Gathers the rows of a listing one at a time, at some ten bytes a row beside the names."""

    def __init__(self, where: str) -> None:
        """Begins an empty one; `where` names the file or folder in errors."""
        self._where = where
        self._text = bytearray()
        self._starts = array("I")
        self._lengths = array("H")
        self._codes: dict[str, array] = {}
        self._values: dict[str, dict[str, int]] = {}

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, name: str, columns: dict[str, str]) -> None:
        """Adds one image; every row must have the same columns.

        Raises:
          UserError: a name that is too long, other columns than the first row's, too many values.
        """
        if not self._starts:
            self._codes = {key: array(_COLUMNS[key][0]) for key in columns}
            self._values = {key: {} for key in columns}
        if columns.keys() != self._codes.keys():
            raise UserError(
                f"{self._where}: {name!r} has {', '.join(columns)}, the rows above it have "
                f"{', '.join(self._codes)}; give every row the same"
            )
        raw = name.encode("utf-8", "surrogateescape")
        if len(raw) > 0xFFFF or len(self._text) > 0xFFFFFFFF:
            raise UserError(
                f"{self._where}: row {len(self) + 1:,} has a name of {len(raw):,} bytes, "
                f"{len(self._text):,} in all; at most 65,535 and 4 GiB: cut the list in two"
            )
        self._starts.append(len(self._text))
        self._lengths.append(len(raw))
        self._text += raw
        for key, value in columns.items():
            known = self._values[key]
            code = known.get(value)
            if code is None:
                code = known[value] = len(known)
                if code >= _COLUMNS[key][1]:
                    raise UserError(
                        f"{self._where}: more than {_COLUMNS[key][1]:,} values of {key}, such as "
                        f"{value[:40]!r}; is this the right column?"
                    )
            self._codes[key].append(code)

    def listing(self, root: Path, notes: tuple[str, ...] = ()) -> Listing:
        """Returns the rows.

        Raises:
          UserError: there are none, or one name occurs twice.
        """
        if not self._starts:
            raise UserError(f"{self._where}: no images are listed; expected one in each row")
        starts = np.frombuffer(self._starts, np.uint32)
        names = Names(self._text, starts, np.frombuffer(self._lengths, np.uint16))
        twice = next(_repeated(names), None)
        if twice is not None:
            raise UserError(f"{self._where}: {twice} is listed twice; remove one of the rows")
        columns = {
            key: Column(np.frombuffer(codes, _NUMPY[codes.typecode]), tuple(self._values[key]))
            for key, codes in self._codes.items()
        }
        return Listing(root, names, columns, notes)


def _repeated(names: Names) -> Iterator[str]:
    """Yields each name that occurred before; checksums first, as a set of all would be large."""
    sums = np.fromiter((zlib.crc32(names.raw(i)) for i in range(len(names))), np.uint32, len(names))
    sums.sort()
    suspects = set(sums[1:][sums[1:] == sums[:-1]].tolist())
    seen: set[bytes] = set()
    for i in range(len(names) if suspects else 0):
        raw = names.raw(i)
        if zlib.crc32(raw) in suspects:
            if raw in seen:
                yield names[i]
            seen.add(raw)


def shown(name: str) -> str:
    r"""Returns a file name as text that any encoder takes: odd bytes as `\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
