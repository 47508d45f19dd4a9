"""A compact table of images: file name, label, split, subject; names that repeat are refused."""

import os
import re
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.data.splits.compact_names import Names
from ferjax.errors import UserError

_CHUNK = 1 << 12
# Column → the array type code of its codes, and the largest plausible number of distinct values.
_COLUMNS = {"label": ("B", 250), "split": ("B", 3), "subject": ("I", 1 << 32)}
# Paths that have a shorter spelling: absolute, or with `//`, `.` or `..`.
_OTHER_SPELLING = re.compile(rb"^/|//|(?:^|/)\.\.?/")
_NUMPY = {"B": np.uint8, "I": np.uint32}


@dataclass(frozen=True)
class Column:
    """A column with few distinct values: unsigned codes [N] that index `values`.

    `values` are in order of first appearance.
    """

    codes: np.ndarray
    values: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Returns value → number of rows."""
        counts = np.zeros(len(self.values), np.int64)
        for first in range(0, len(self.codes), _CHUNK):  # bincount makes an int64 copy
            counts += np.bincount(self.codes[first : first + _CHUNK], minlength=len(self.values))
        return dict(zip(self.values, counts.tolist(), strict=True))


@dataclass(frozen=True)
class Listing:
    """N images that have not been opened yet.

    Attributes:
      root: the folder that the names are relative to.
      names: file names of the images.
      columns: `label` always, `split` and `subject` if they are given.
      notes: remarks for the report.
    """

    root: Path
    names: Names
    columns: dict[str, Column]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


class ListingBuilder:
    """Builds a listing row by row; a row takes about ten bytes in addition to its name."""

    def __init__(self, where: str) -> None:
        """Makes an empty builder; `where` is the file or folder that errors name."""
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
          UserError: a name that is too long, columns that differ from the first row's, or too
            many distinct values.
        """
        if not self._starts:
            self._codes = {key: array(_COLUMNS[key][0]) for key in columns}
            self._values = {key: {} for key in columns}
        if columns.keys() != self._codes.keys():
            raise UserError(
                f"{self._where}: {name!r} has {', '.join(columns)}, the rows above it have "
                f"{', '.join(self._codes)}; give every row the same"
            )
        try:
            raw = name.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise UserError(f"{self._where}: {name!r} is no name of a file; correct it") from None
        if len(raw) > 0xFFFF or len(self._text) > 0xFFFFFFFF:
            raise UserError(
                f"{self._where}: row {len(self) + 1:,} has a name of {len(raw):,} bytes, "
                f"{len(self._text):,} in all; at most 65,535 and 4 GiB: cut the list in two"
            )
        self._starts.append(len(self._text))
        self._lengths.append(len(raw))
        self._text += raw
        for key, value in columns.items():
            code_of = self._values[key]
            code = code_of.get(value)
            if code is None:
                code = code_of[value] = len(code_of)
                if code >= _COLUMNS[key][1]:
                    raise UserError(
                        f"{self._where}: more than {_COLUMNS[key][1]:,} values of {key}, such as "
                        f"{value[:40]!r}; is this the right column?"
                    )
            self._codes[key].append(code)

    def listing(self, root: Path, notes: tuple[str, ...] = ()) -> Listing:
        """Returns the listing of all rows.

        Raises:
          UserError: there are no rows, or a name occurs twice, also in two spellings.
        """
        if not self._starts:
            raise UserError(f"{self._where}: no images are listed; expected one in each row")
        starts = np.frombuffer(self._starts, np.uint32)
        names = Names(self._text, starts, np.frombuffer(self._lengths, np.uint16))
        repeated = next(_repeated_names(names, os.fsencode(root)), None)
        if repeated is not None:
            first, second = repeated
            spelling = "" if first == second else f", first as {first}"
            raise UserError(
                f"{self._where}: {second} is listed twice{spelling}; remove one of the rows"
            )
        columns = {
            key: Column(np.frombuffer(codes, _NUMPY[codes.typecode]), tuple(self._values[key]))
            for key, codes in self._codes.items()
        }
        return Listing(root, names, columns, notes)


def _repeated_names(names: Names, root: bytes) -> Iterator[tuple[str, str]]:
    """Yields (first name, name) of each image that occurred before.

    Checksums are compared first, because a set of all names would take much memory.
    """
    checksums = np.fromiter(
        (zlib.crc32(_one_spelling(names.raw(i), root)) for i in range(len(names))),
        np.uint32,
        len(names),
    )
    checksums.sort()
    repeated_checksums = set(checksums[1:][checksums[1:] == checksums[:-1]].tolist())
    first_of: dict[bytes, int] = {}
    for i in range(len(names) if repeated_checksums else 0):
        path = _one_spelling(names.raw(i), root)
        if zlib.crc32(path) in repeated_checksums and (first := first_of.setdefault(path, i)) != i:
            yield names[first], names[i]


def _one_spelling(name: bytes, root: bytes) -> bytes:
    """Returns the path relative to `root`, without `//`, `.` and inner `..`."""
    if not _OTHER_SPELLING.search(name):
        return name
    return os.path.relpath(os.path.join(root, name), root)
