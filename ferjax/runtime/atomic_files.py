"""Atomic file writing: a reader sees the old file or the new one, never a half-written one."""

import os
from pathlib import Path

from ferjax.errors import UserError


def write_atomically(path: Path, content: bytes) -> Path:
    """Writes `content` to `path` through a temporary file in the same folder; returns the path.

    Missing folders are created.

    Raises:
      UserError: the file cannot be written (no permission, no space, a file where a folder goes).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}. "
            "Check that its folder is writable and has space left."
        ) from error
    return path
