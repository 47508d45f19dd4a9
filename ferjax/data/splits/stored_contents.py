"""Hashes the stored form of the images of a split, to find images that are equal or changed."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.splits.split import Split

_BLOCK = 1024
_THREADS = 8
# Files up to this size, such as most face crops, are hashed whole; of larger files, parts at even
# distances are hashed.
_WHOLE_BYTES = 1 << 16
_PARTS, _PART_BYTES = 16, 1 << 12


def fingerprints(split: Split) -> np.ndarray:
    """Returns uint64 [N], a hash of the stored form of each image; 0 if that is not known.

    The hash of a file is that of its bytes or, above 64 KiB, of its size and 16 parts of 4 KiB from
    start to end, so a copy has the same fingerprint under any name and time. The hash of a row of a
    larger file or array is that of all its pixels.
    """
    if split.originals is None:
        return np.zeros(len(split), np.uint64)
    return np.fromiter(_map_originals(split, _fingerprint), np.uint64, len(split))


def target_hashes(split: Split) -> np.ndarray:
    """Returns uint64 [N], a hash of each image's soft label; 0 where labels are hard."""
    if split.targets is None:
        return np.zeros(len(split), np.uint64)
    rows = np.ascontiguousarray(split.targets, "<f4")
    return np.array([_hash(row.tobytes()) for row in rows], np.uint64)


def stored_state(split: Split) -> str | None:
    """Returns the sha256 of size and time of each image's file, or of its stored pixels, in order.

    Links are followed, and no file is opened. None if the stored form is not known.
    """
    if split.originals is None:
        return None
    digest = hashlib.sha256()
    for state in _map_originals(split, _state):
        digest.update(state)
    return digest.hexdigest()


def _map_originals(split: Split, function: Callable[[Path | np.ndarray], Any]) -> Iterator[Any]:
    """Yields the value of a function for the stored form of each image, in order."""
    originals = split.originals
    assert originals is not None

    def map_block(first: int) -> list[Any]:
        positions = np.arange(first, min(first + _BLOCK, len(split)))
        return [function(original) for original in originals(positions)]

    # Threads wait for a slow disk at the same time; on a fast disk they cost nothing.
    with ThreadPoolExecutor(_THREADS) as executor:
        for block in executor.map(map_block, range(0, len(split), _BLOCK)):
            yield from block


def _fingerprint(original: Path | np.ndarray) -> int:
    """Returns the hash of one stored image; 0 if its file cannot be read."""
    if isinstance(original, np.ndarray):
        return _hash(repr(original.shape).encode() + original.tobytes())
    try:
        with open(original, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= _WHOLE_BYTES:
                return _hash(file.read())
            starts = [i * (size - _PART_BYTES) // (_PARTS - 1) for i in range(_PARTS)]
            parts = [os.pread(file.fileno(), _PART_BYTES, start) for start in starts]
            return _hash(b"%d " % size + b"".join(parts))
    except OSError:
        return 0  # a missing file is reported when its pixels are read


def _state(original: Path | np.ndarray) -> bytes:
    """Returns size and time of a file, or the hash of stored pixels, as a line of bytes."""
    if isinstance(original, np.ndarray):
        return b"%d\n" % _fingerprint(original)
    try:
        status = os.stat(original)
    except OSError:
        return b"missing\n"
    return b"%d %d\n" % (status.st_size, status.st_mtime_ns)


def _hash(content: bytes) -> int:
    # 0 stands for unknown.
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") or 1
