"""Folder lock, disk space reservation and durable (fsync) writes, for the stores on disk."""

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
def folder_lock(folder: Path) -> Iterator[None]:
    """Waits for the lock of a store's folder and holds it; it is released if the process ends.

    Raises:
      OSError: the folder's parent cannot be created or written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def reserve_disk_space(file: int, nbytes: int) -> None:
    """Reserves the first `nbytes` of an open file on disk, so that a full disk is noticed early.

    Raises:
      OSError: there is not enough space; the file keeps its length.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    length_before = os.fstat(file).st_size
    try:
        os.posix_fallocate(file, 0, nbytes)
    except OSError as error:
        os.ftruncate(file, length_before)
        # Some file systems cannot reserve space. On these the write fails if the disk is full.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def write_durably(file: FileIO, content: bytes | memoryview) -> None:
    """Writes all of `content` at the current position of an unbuffered file and calls fsync.

    Raises:
      OSError: the disk is full; no later write or close repeats the attempt.
    """
    remaining = memoryview(content).cast("B")
    while remaining:
        remaining = remaining[file.write(remaining) :]
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Calls fsync on a folder, so that the names in it survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sampled_blocks(count: int) -> list[int]:
    """Returns which of `count` blocks are verified when a store is opened: up to 16."""
    return np.unique(np.linspace(0, count - 1, _SAMPLED_BLOCKS).astype(int)).tolist()
