"""A file of foreign weights, opened: what is in it, and how to read one array of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.rules.match_and_convert import Leaf

# What training scripts and wrappers put before every key.
_PREFIXES = ("module.", "model.", "_orig_mod.")


@dataclass(frozen=True)
class Source:
    """A file of weights.

    Attributes:
      path: the file.
      container: `torch zip`, `torch legacy`, `safetensors`, `keras 3 h5` or `keras legacy h5`.
      leaves: its arrays by key, unread.
      read: key → the array, float32 where floating. It may be a view of the file: copy it to
        keep it.
      notes: what was unwrapped, left out or converted, for the user.
      metadata: what else is known: `config` (a config.json beside it), `normalization` (mean and
        variance of Keras's layer), `safetensors` (the file's own).
    """

    path: Path
    container: str
    leaves: Mapping[str, Leaf]
    read: Callable[[str], np.ndarray]
    notes: tuple[str, ...]
    metadata: Mapping[str, Any]


def without_prefixes(keys: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns each key without the wrappers' prefixes → the key, and a note if there were any."""
    names = {key: key for key in keys}
    found: list[str] = []
    while names and (prefix := _shared_prefix(names)):
        names = {name.removeprefix(prefix): key for name, key in names.items()}
        found.append(prefix)
    return names, (f"prefix {''.join(found)!r} taken off every key",) if found else ()


def _shared_prefix(names: Iterable[str]) -> str | None:
    """Returns the wrappers' prefix that every name has."""
    return next((p for p in _PREFIXES if all(name.startswith(p) for name in names)), None)


def dtype_notes(leaves: Mapping[str, Leaf]) -> tuple[str, ...]:
    """Returns a note for each floating dtype that reading converts."""
    dtypes = sorted({leaf.dtype for leaf in leaves.values()} - {"float32"})
    return tuple(f"{dtype} → float32" for dtype in dtypes if "float" in dtype)
