"""What stores on disk share: a folder's lock, room taken ahead, lasting writes, sampled blocks."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import numpy as np

_SAMPLED_BLOCKS = 16


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a store's folder, waiting for it; it goes with the process that holds it.

    Raises:
      OSError: the folder's parent cannot be made or written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def reserve(file: int, nbytes: int) -> None:
    """Takes the first `nbytes` of an open file from the disk, so that a full one is known early.

    Raises:
      OSError: they are not there; the file is as long as before.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    before = os.fstat(file).st_size
    try:
        os.posix_fallocate(file, 0, nbytes)
    except OSError as error:
        os.ftruncate(file, before)
        # Some file systems cannot reserve: there the write itself has to tell.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def write_lasting(file: FileIO, content: bytes | memoryview) -> None:
    """Writes all of `content` at the position of an unbuffered file, and waits for the disk.

    Raises:
      OSError: no room; no later write or close tries again.
    """
    rest = memoryview(content).cast("B")
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder last through a power cut, as fsync does a file's bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sampled_blocks(count: int) -> list[int]:
    """Returns which of `count` blocks are verified when a store is opened: up to 16, spread."""
    return np.unique(np.linspace(0, count - 1, _SAMPLED_BLOCKS).astype(int)).tolist()
