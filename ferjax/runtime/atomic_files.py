"""Atomic writing: a reader sees the old file or the new one, never a half-written one."""

import contextlib
import functools
import glob
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ferjax.errors import DiskError


def write_atomically(path: Path, content: bytes | str, *, look_for_leftovers: bool = True) -> Path:
    r"""Writes `content` to `path` through a temporary file in the same folder; returns the path.

    Missing folders are created. A text is written as UTF-8. Surrogates, which stand for bytes of a
    path that are not UTF-8, are written as `\udcff`, which JSON reads as the same surrogate.
    Temporary files of killed processes for the same path are removed; those of other machines only
    after an hour.

    Args:
      path: the file.
      content: its content.
      look_for_leftovers: False for one of very many files in a new folder: to look for leftovers
        takes longer, the more files a folder has.

    Raises:
      DiskError: the file cannot be written (no permission, no space, or a parent is a file).
    """
    path = Path(path)
    if isinstance(content, str):
        content = content.encode("utf-8", "backslashreplace")
    temporary = _temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        if look_for_leftovers:
            # Several machines may write the files of one study, but no write takes an hour.
            remove_left_by_killed_processes(path, seconds=3600)
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror or error}. "
            "Check that its folder is writable and has space left."
        ) from error
    return path


@contextlib.contextmanager
def temporary_beside(path: Path, seconds: float = 0) -> Iterator[Path]:
    """Yields the path of a temporary file or folder; the caller fills it and renames it to `path`.

    Before the block, temporary files of killed processes for the same `path` are removed. After the
    block, everything that still has the temporary name is removed.

    Args:
      path: path of the result.
      seconds: leftovers that changed less than this time ago stay, because another machine may be
        writing them.

    Raises:
      OSError: the folder of `path` cannot be listed.
    """
    remove_left_by_killed_processes(path, seconds)
    # Two processes on different machines, or in different containers, may have the same number.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
    finally:
        _remove(temporary)


def remove_left_by_killed_processes(path: Path, seconds: float = 0) -> None:
    """Removes the temporary files and folders for `path` whose processes have ended.

    Args:
      path: path of the result. Processes of other machines count as ended.
      seconds: files of other machines that changed less than this time ago stay.
    """
    _remove_left(path.parent.glob(f".{glob.escape(path.name)}.*.tmp"), seconds)


def remove_all_left_below(folder: Path) -> None:
    """Removes the temporary files and folders below `folder` whose processes have ended."""
    _remove_left(list(folder.rglob(".*.tmp")), 0)


def _remove_left(candidates: Iterable[Path], seconds: float) -> None:
    """Removes those of the files and folders with temporary names whose processes have ended."""
    for leftover in candidates:
        match = re.search(r"\.(\d+)(?:-([0-9a-f]{8}))?\.tmp$", leftover.name)
        # Process numbers are used again, in a container soon. A file with the number of this
        # process is old too, because this process has no temporary file at this moment.
        if not match or (int(match[1]) != os.getpid() and _is_alive(int(match[1]))):
            continue
        with contextlib.suppress(FileNotFoundError):
            # The time of a file may lie in the future, where clocks differ or have been set back.
            age = time.time() - leftover.stat().st_mtime
            if not seconds or match[2] == _machine() or age >= seconds:
                _remove(leftover)


def whole_entries(folder: Path) -> list[Path]:
    """Returns the entries of a folder by name, without temporary files of `write_atomically`."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in entries if not path.match(".*.tmp")]


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{_machine()}.tmp")


@functools.cache
def _machine() -> str:
    """Returns 8 hexadecimal digits that identify this machine or container."""
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    """Returns whether a process with this number is running on this machine."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # of another user
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)
