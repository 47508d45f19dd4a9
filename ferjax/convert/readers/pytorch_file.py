"""Reads PyTorch weights (.pth, .pt, .bin) safely: unpickles tensors only, never other objects."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.readers.source_file import Source, dtype_notes, without_prefixes
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError

# Keys under which training scripts store the network's state dict; averaged weights come first.
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")
# Pages of a memory-mapped file stay in memory as long as the mapping. So the file is mapped again
# after this number of bytes.
_MAPPED_BYTES = 64 << 20


def open_torch(path: Path, *, mapped: bool) -> Source:
    """Opens a file of torch.save; `mapped`: it has the zip format and is read lazily.

    Raises:
      UserError: torch is missing, or the file is damaged, has objects other than tensors, or has
        no tensors.
    """
    state, notes = _state_dict(_load(path, mapped), path)
    names, unwrapped = without_prefixes(state)
    leaves = {name: _leaf(state[key]) for name, key in names.items()}
    tensors, bytes_read = state, 0

    def read(name: str) -> np.ndarray:
        nonlocal tensors, bytes_read
        if bytes_read > _MAPPED_BYTES or names[name] not in tensors:
            tensors.clear()
            tensors, bytes_read = _state_dict(_load(path, mapped), path)[0], 0
        # A tensor that is not mapped is already in memory. It is removed here, so that its memory
        # is free after its conversion.
        tensor = tensors[names[name]] if mapped else tensors.pop(names[name])
        bytes_read += tensor.nbytes if mapped else 0
        tensor = tensor.detach()
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()

    return Source(
        path=path,
        container="torch zip" if mapped else "torch legacy",
        leaves=leaves,
        read=read,
        notes=(*notes, *unwrapped, *dtype_notes(leaves)),
        metadata={},
    )


def _leaf(tensor: Any) -> Leaf:
    return Leaf(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def _load(path: Path, mapped: bool) -> Any:
    """Returns the file's content by torch's loader that builds only tensors and containers."""
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{path} is a PyTorch file; reading it needs torch: pip install 'ferjax[convert]'."
        ) from None
    try:
        with path.open("rb") as file:
            # From a path with this suffix torch would expect the safetensors format.
            if mapped and path.suffix != ".safetensors":
                return torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
            return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise _forbidden_object_error(path, str(error)) from None
    except Exception as error:  # a damaged pickle may raise any exception
        raise _damaged_file_error(path, str(error)) from None


def _forbidden_object_error(path: Path, reason: str) -> UserError:
    """Returns the error for a pickle with an object that the loader refuses to build."""
    match = re.search(r"GLOBAL (\S+)|[Uu]nsupported class (\S+)|operand (\d+)", reason)
    if not match:
        return _damaged_file_error(path, reason)
    name = next(filter(None, match.groups()))
    return UserError(
        f"{path} holds more than tensors: it would run or build {name}, which was refused. "
        "Expected a state dict: torch.save(model.state_dict(), file). Write one on the machine "
        "that made the file, if you trust it."
    )


def _damaged_file_error(path: Path, reason: str) -> UserError:
    """Returns the error for a truncated or damaged file."""
    first = (reason.strip().splitlines() or ["unexpected end"])[0]
    return UserError(
        f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated PyTorch file "
        f"({first}). Download or copy it again."
    )


def _state_dict(loaded: Any, path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns the tensors by key, without the wrappers of a training script, and notes on those."""
    import torch

    notes: list[str] = []
    while isinstance(loaded, Mapping) and (
        name := next((w for w in _WRAPPERS if isinstance(loaded.get(w), Mapping)), None)
    ):
        notes.append(f"keys unwrapped from {name!r}{_left_out(loaded, name)}")
        loaded = loaded[name]
    if not isinstance(loaded, Mapping):
        raise UserError(
            f"{path} holds one {type(loaded).__name__}, expected a state dict: tensors by name, "
            "as torch.save(model.state_dict(), file) writes it."
        )
    state = {str(key): v for key, v in loaded.items() if isinstance(v, torch.Tensor)}
    if not state:
        keys = ", ".join(map(repr, list(loaded)[:5])) or "nothing"
        raise UserError(
            f"{path} holds no tensors under its keys ({keys}), expected a state dict, directly or "
            f"under one of {', '.join(_WRAPPERS)}."
        )
    if others := [str(key) for key in loaded if str(key) not in state]:
        notes.append(f"not tensors, left out: {_shorten(others)}")
    return state, tuple(notes)


def _left_out(loaded: Mapping[Any, Any], name: str) -> str:
    """Returns the end of a note that lists the other keys next to the network's state."""
    others = [str(key) for key in loaded if key != name]
    return f"; left out: {_shorten(others)}" if others else ""


def _shorten(names: list[str]) -> str:
    """Returns the first six names of a list, and the number of names if there are more."""
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:6])} ... ({len(names)})"
