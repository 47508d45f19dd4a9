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
from collections.abc import Iterator
from pathlib import Path

from ferjax.errors import DiskError


def write_atomically(path: Path, content: bytes | str) -> Path:
    r"""Writes `content` to `path` through a temporary file in the same folder; returns the path.

    Missing folders are created. A text is written as UTF-8. The bytes of a path that are no UTF-8
    are written as `\udcff`, which JSON reads as what it was. Temporary files that killed processes
    left for the same path are removed, those of other machines an hour later.

    Raises:
      DiskError: the file cannot be written (no permission, no space, a file where a folder goes).
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
        # Several machines may write the files of one study, but none of them takes an hour.
        remove_left_by_killed_processes(path, seconds=3600)
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror or error}. "
            "Check that its folder is writable and has space left."
        ) from error
    return path


@contextlib.contextmanager
def temporary_beside(path: Path, seconds: float = 0) -> Iterator[Path]:
    """Yields the name of a temporary file or folder to build `path` in, and rename when complete.

    What is left under that name is removed when the block ends, and what killed processes have left
    for the same `path` before it begins.

    Args:
      path: of the result.
      seconds: what was changed since then is left, as another machine may be writing it.

    Raises:
      OSError: the folder of `path` cannot be listed.
    """
    remove_left_by_killed_processes(path, seconds)
    # Processes of two machines, or of two containers, may have one number.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
    finally:
        _remove(temporary)


def remove_left_by_killed_processes(path: Path, seconds: float = 0) -> None:
    """Removes the temporary files and folders for `path` whose processes have ended.

    Args:
      path: of the result. Processes of other machines that write to it are taken for dead.
      seconds: what was changed since then is left.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        found = re.fullmatch(
            r"(\d+)(?:-([0-9a-f]{8}))?\.tmp", left.name.removeprefix(f".{path.name}.")
        )
        # A number may come back, in a container soon; this process has none in the making yet.
        if not found or (int(found[1]) != os.getpid() and _is_alive(int(found[1]))):
            continue
        with contextlib.suppress(FileNotFoundError):
            if found[2] == _machine() or time.time() - left.stat().st_mtime >= seconds:
                _remove(left)


def whole_entries(folder: Path) -> list[Path]:
    """Returns what a folder holds, without the temporary files of `write_atomically`, by name."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if not path.match(".*.tmp")]


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{_machine()}.tmp")


@functools.cache
def _machine() -> str:
    """Returns 8 hexadecimal digits that name what numbers processes here: machine or container."""
    numbering = ""
    with contextlib.suppress(OSError):
        numbering = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()} {numbering}".encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    """Returns whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)
