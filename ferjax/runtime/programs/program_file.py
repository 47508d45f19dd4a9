"""The file of a compiled program: key, costs, shapes of the outputs, and the serialized program.

A loaded file can execute code, as in JAX's own cache. So a file is loaded only if it belongs to
this user, no other user can write to it, and its checksum is correct.
"""

import contextlib
import dataclasses
import hashlib
import importlib
import logging
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.programs.rebuilt_files import log_rebuilt

_log = logging.getLogger(__name__)
SERIALIZER = "jax.experimental.serialize_executable"
# Number of programs that are kept, those used last; that of a large network has about 20 MB.
_MOST = 50
_CHECKSUM = hashlib.sha256().digest_size
_SUFFIX = ".program"


@dataclass(frozen=True)
class StoredProgram:
    """Content of a file.

    Attributes:
      key: key of the program, JSON text.
      facts: facts about the program, JSON values.
      outputs: tree of `jax.ShapeDtypeStruct`.
      trees: tree structures of arguments and outputs.
      program: the program, serialized by the backend; empty if only the outputs are stored.
    """

    key: str
    facts: Mapping[str, Any]
    outputs: Any
    trees: tuple[Any, Any]
    program: bytes

    def load(self, devices: Sequence[Any]) -> Any:
        """Returns the callable program on the given devices, in their order."""
        load = importlib.import_module(SERIALIZER).deserialize_and_load
        return load(self.program, *self.trees, execution_devices=devices)


def program_path(folder: Path, name: str, key: str) -> Path:
    """Returns the file of a program."""
    return folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}{_SUFFIX}"


def read_program(path: Path, key: str) -> StoredProgram | None:
    """Returns a program; None if its file is missing, damaged or not trusted (`log_rebuilt`)."""
    try:
        if not _only_user_can_write(path):
            log_rebuilt(_log, "%s: another user could have written it; compiled again", path)
            return None
        content = path.read_bytes()
        with contextlib.suppress(OSError):  # the cache is read-only
            os.utime(path)
    except OSError:
        return None
    if hashlib.sha256(content[_CHECKSUM:]).digest() != content[:_CHECKSUM]:
        log_rebuilt(_log, "%s: damaged; compiled again", path)
        return None
    try:
        stored = StoredProgram(*pickle.loads(content[_CHECKSUM:]))
    except Exception as error:  # of another version of ferjax, which had other classes
        log_rebuilt(_log, "%s: not readable (%s); compiled again", path, error)
        return None
    return stored if stored.key == key else None


def write_program(path: Path, stored: StoredProgram) -> None:
    """Writes a program that only this user can read; a disk error only adds a log line."""
    parts = tuple(getattr(stored, field.name) for field in dataclasses.fields(stored))
    content = pickle.dumps(parts)
    try:
        write_atomically(path, hashlib.sha256(content).digest() + content)
        path.chmod(0o600)
        _remove_oldest(path.parent)
    except (UserError, OSError) as error:
        _log.info("%s is not kept: %s", path.name, error)


def _only_user_can_write(path: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    facts = path.stat()
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o022


def _remove_oldest(folder: Path) -> None:
    def last_used(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0  # another process has removed it

    for path in sorted(folder.glob(f"*{_SUFFIX}"), key=last_used)[:-_MOST]:
        path.unlink(missing_ok=True)
