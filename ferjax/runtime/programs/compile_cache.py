"""JAX's persistent compilation cache: compiled programs are stored between processes."""

import contextlib
import glob
import importlib
import logging
import os
import re
import warnings
from pathlib import Path
from typing import Any, cast

import jax

from ferjax.errors import one_line
from ferjax.runtime.cache_root import cache_root
from ferjax.runtime.programs.rebuilt_files import log_rebuilt

_log = logging.getLogger(__name__)
# JAX's warning contains the name of the program, with which the files of its entries begin.
_CACHE_WARNING = re.compile(
    "Error (reading|writing) persistent compilation cache entry for '([^']+)': (.*)", re.DOTALL
)


def enable_compile_cache() -> None:
    """Stores compiled programs in `compile_cache_folder()`.

    An unreadable entry, for example of a process that was killed while writing it, is removed, and
    one line says so; JAX would keep it and warn at every start. If the folder is full or cannot be
    written, there is one line about it instead of one for each program.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", compile_cache_folder())
    previous_show, is_logged = warnings.showwarning, False

    def show(message: Any, *more: Any, **keywords: Any) -> None:
        nonlocal is_logged
        match = _CACHE_WARNING.match(str(message))
        if not match:
            previous_show(message, *more, **keywords)
            return
        action, program, reason = match.groups()
        # If the disk is full, only the beginning of an entry is written.
        removed_count = remove_damaged_entries(program, certain=action == "writing")
        if (action == "writing" or not removed_count) and not is_logged:
            is_logged = True
            _log.warning(
                "compiled programs are not kept in %s (%s): the next command compiles them again",
                compile_cache_folder(),
                one_line(reason),
            )

    warnings.showwarning = show


def compile_cache_folder() -> str:
    """Returns $JAX_COMPILATION_CACHE_DIR, else `compiled` in `cache_root()`."""
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    return folder or str(cache_root() / "compiled")


def remove_damaged_entries(program: str, *, certain: bool = False) -> int:
    """Removes the cached entries of a program that cannot be read; returns their number.

    If every entry can be unpacked, one of them has damaged content, and all are removed.

    Args:
      program: the name with which the files begin.
      certain: whether to remove only entries that cannot be unpacked.
    """
    folder = Path(cast(Any, jax.config).jax_compilation_cache_dir or "")
    entries = [*folder.glob(f"{glob.escape(program)}*-cache")]
    damaged = [path for path in entries if not _can_be_unpacked(path)]
    damaged = damaged or ([] if certain else entries)
    for path in damaged:
        with contextlib.suppress(OSError):  # the folder cannot be written
            path.unlink()
    message = "%s: damaged programs of %s (%d) removed; compiled again"
    if damaged and certain:  # the caller's warning of the full disk suffices
        _log.info(message, folder, program, len(damaged))
    elif damaged:
        log_rebuilt(_log, message, folder, program, len(damaged))
    return len(damaged)


def _can_be_unpacked(path: Path) -> bool:
    # JAX has no public function for this; the compression depends on the installed packages.
    unpack = importlib.import_module("jax._src.compilation_cache").decompress_executable
    try:
        unpack(path.read_bytes())
    except Exception:  # each compression has its own errors
        return False
    return True
