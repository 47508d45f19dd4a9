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

_log = logging.getLogger(__name__)
# JAX's warning names the program; the files of its entries begin with that name.
_FAILED = re.compile(
    "Error (reading|writing) persistent compilation cache entry for '([^']+)': (.*)", re.DOTALL
)


def enable_compile_cache() -> None:
    """Stores compiled programs in `compile_cache_folder()`.

    An entry that cannot be read, as a process leaves that was killed while writing it, is removed:
    JAX would keep it, and warn at every start. Where the folder is full or not to be written, one
    line says so, instead of one for each program.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", compile_cache_folder())
    shown, noted = warnings.showwarning, False

    def show(message: Any, *others: Any, **named: Any) -> None:
        nonlocal noted
        found = _FAILED.match(str(message))
        if not found:
            shown(message, *others, **named)
            return
        task, program, reason = found.groups()
        # A full disk leaves the beginning of an entry.
        removed = remove_damaged_entries(program, certain=task == "writing")
        if (task == "writing" or not removed) and not noted:
            noted = True
            _log.warning(
                "compiled programs are not kept in %s (%s): the next command compiles them again",
                compile_cache_folder(),
                one_line(reason),
            )

    warnings.showwarning = show


def compile_cache_folder() -> str:
    """Returns $JAX_COMPILATION_CACHE_DIR, else `compiled` in `cache_root()`."""
    given = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    return given or str(cache_root() / "compiled")


def remove_damaged_entries(program: str, *, certain: bool = False) -> int:
    """Removes the cached entries of a program that cannot be read; returns their number.

    Where each can be unpacked, all are removed: one of them is damaged inside.

    Args:
      program: the name that the files begin with.
      certain: whether only those go that cannot be unpacked.
    """
    folder = Path(cast(Any, jax.config).jax_compilation_cache_dir or "")
    entries = [*folder.glob(f"{glob.escape(program)}*-cache")]
    damaged = [path for path in entries if not _can_be_unpacked(path)]
    damaged = damaged or ([] if certain else entries)
    for path in damaged:
        with contextlib.suppress(OSError):  # a folder that may not be written
            path.unlink()
    if damaged:
        _log.info("%s: %d damaged programs of %s removed", folder, len(damaged), program)
    return len(damaged)


def _can_be_unpacked(path: Path) -> bool:
    # JAX has no public function for this; how it packs depends on what is installed.
    unpack = importlib.import_module("jax._src.compilation_cache").decompress_executable
    try:
        unpack(path.read_bytes())
    except Exception:  # each packing has its own errors
        return False
    return True
