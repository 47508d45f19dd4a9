"""Source: an opened weights file of another library (keys, shapes, a function to read an array)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import printable

# Prefixes that training scripts and wrappers add to every key.
_PREFIXES = ("module.", "model.", "_orig_mod.")


@dataclass(frozen=True)
class Source:
    """An opened weights file.

    Attributes:
      path: the file.
      container: `torch zip`, `torch legacy`, `safetensors`, `keras 3 h5`, `keras legacy h5` or
        `onnx`.
      leaves: shape and dtype of its arrays by key.
      read: key → the array; floating-point arrays as float32. The array may be a view of the file:
        copy it to keep it.
      notes: remarks for the user on what was unwrapped, left out or converted.
      metadata: `config` (config.json in the same folder), `normalization` (mean and variance of
        Keras's layer), `safetensors` (the file's metadata), `onnx` (the graph), as far as they
        exist.
    """

    path: Path
    container: str
    leaves: Mapping[str, Leaf]
    read: Callable[[str], np.ndarray]
    notes: tuple[str, ...]
    metadata: Mapping[str, Any]


def without_prefixes(keys: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns {key without the wrappers' prefixes: key}, and a note if there were prefixes."""
    names = {key: key for key in keys}
    prefixes: list[str] = []
    while names and (prefix := _shared_prefix(names)):
        names = {name.removeprefix(prefix): key for name, key in names.items()}
        prefixes.append(prefix)
    return names, (f"prefix {''.join(prefixes)!r} taken off every key",) if prefixes else ()


def _shared_prefix(names: Iterable[str]) -> str | None:
    """Returns a wrapper's prefix that all names have, or None."""
    return next((p for p in _PREFIXES if all(name.startswith(p) for name in names)), None)


def source_below(source: Source, prefix: str) -> Source:
    """Returns a source of the arrays whose keys begin with a prefix, under keys without it.

    A note lists the other keys.
    """
    keys = [key for key in source.leaves if key.startswith(prefix)]
    other_keys = [key for key in source.leaves if not key.startswith(prefix)]
    left_out = f"; left out: {shorten(other_keys)}" if other_keys else ""
    return replace(
        source,
        leaves={key.removeprefix(prefix): source.leaves[key] for key in keys},
        read=lambda name: source.read(prefix + name),
        notes=(*source.notes, f"keys taken from below {prefix!r}{left_out}"),
    )


def shorten(names: Sequence[str]) -> str:
    """Returns the first six names of a list, and the number of names if there are more."""
    shown = ", ".join(map(printable, names[:6]))
    return shown if len(names) <= 6 else f"{shown} ... ({len(names)})"


def dtype_notes(leaves: Mapping[str, Leaf]) -> tuple[str, ...]:
    """Returns a note for each floating dtype that reading converts."""
    dtypes = sorted({leaf.dtype for leaf in leaves.values()} - {"float32"})
    return tuple(f"{dtype} → float32" for dtype in dtypes if "float" in dtype)


def as_float32(array: np.ndarray) -> np.ndarray:
    """Returns a floating-point array as float32; the array itself if it is one already.

    A number that is too large becomes infinite, which the conversion refuses.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32, copy=False)
