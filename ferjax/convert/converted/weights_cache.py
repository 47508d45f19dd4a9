"""Cache folder of converted weights (FERJAX_CACHE): entries, file locks between processes."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from ferjax.convert.converted.weights_folder import SIDECAR_FILE
from ferjax.errors import UserError
from ferjax.runtime.cache_root import cache_root


def entry_folder(name: str) -> Path:
    """Returns the folder of one entry; the folder need not exist."""
    return cache_root() / "weights" / name


def is_cached(name: str) -> bool:
    """Returns whether an entry exists; an entry that exists is complete."""
    return (entry_folder(name) / SIDECAR_FILE).is_file()


def cached_names() -> set[str]:
    """Returns the names of all entries."""
    folder = cache_root() / "weights"
    return {e.name for e in folder.iterdir() if is_cached(e.name)} if folder.is_dir() else set()


@contextlib.contextmanager
def locked_entry(name: str) -> Iterator[Path]:
    """Waits for the lock of one entry and holds it; yields a folder for the entry's raw files.

    If several processes need the same entry, one process makes it; the others wait here and then
    read it. The lock ends with its process, so a killed process leaves nothing locked. The folder
    of raw files is removed when the entry exists. If the conversion fails, that folder is kept, so
    that a download can be resumed.

    Raises:
      UserError: the cache cannot be written.
    """
    root = cache_root()
    raw, lock_file = root / "downloads" / name, root / "locks" / name
    try:
        for folder in (raw, lock_file.parent, entry_folder(name).parent):
            folder.mkdir(parents=True, exist_ok=True)
        lock = open(lock_file, "a")  # noqa: SIM115 (held until the entry exists)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise UserError(
            f"the cache {root} cannot be written: {error.strerror or error}. Set FERJAX_CACHE to a"
            " folder that can."
        ) from None
    with lock:
        # Left by a process that was killed while it held this lock.
        for incomplete in entry_folder(name).parent.glob(f".{name}.*.tmp"):
            shutil.rmtree(incomplete, ignore_errors=True)
        raw.mkdir(parents=True, exist_ok=True)  # the lock's previous holder may have removed it
        try:
            yield raw
        finally:
            if is_cached(name) or not any(raw.iterdir()):
                shutil.rmtree(raw, ignore_errors=True)
