"""Reads PyTorch weights (.pth, .pt, .bin) safely: only tensors are built, and no code is run."""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.readers.restricted_unpickler import restricted_pickle
from ferjax.convert.readers.source_file import Source, dtype_notes, shorten, without_prefixes
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError, one_line
from ferjax.runtime.optional_packages import require_package

# Keys under which training scripts store the network's state dict; averaged weights come first.
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "net")
# Pages of a memory-mapped file stay in memory as long as the mapping. So the file is mapped again
# after this number of bytes.
_MAPPED_BYTES = 64 << 20


def open_torch(path: Path, *, mapped: bool) -> Source:
    """Opens a file of torch.save.

    Args:
      path: the file.
      mapped: whether the file has the zip format, which is memory-mapped and read lazily.

    Raises:
      UserError: torch is missing; or the file is damaged, would run code, has no tensors, or has
        those of several networks.
    """
    state, notes = _state_dict(*_load(path, mapped), path)
    names, prefix_notes = without_prefixes(state)
    leaves = {name: _leaf(state[key]) for name, key in names.items()}
    tensors, bytes_read = state, 0

    def read(name: str) -> np.ndarray:
        nonlocal tensors, bytes_read
        if bytes_read > _MAPPED_BYTES or names[name] not in tensors:
            tensors.clear()
            tensors, bytes_read = _state_dict(*_load(path, mapped), path)[0], 0
        # A tensor that is not mapped is already in memory. It is removed from the dictionary, so
        # that its memory is free after its conversion.
        tensor = tensors[names[name]] if mapped else tensors.pop(names[name])
        bytes_read += tensor.nbytes if mapped else 0
        tensor = tensor.detach()
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()

    return Source(
        path=path,
        container="torch zip" if mapped else "torch legacy",
        leaves=leaves,
        read=read,
        notes=(*notes, *prefix_notes, *dtype_notes(leaves)),
        metadata={},
    )


def _leaf(tensor: Any) -> Leaf:
    return Leaf(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def _load(path: Path, mapped: bool) -> tuple[Any, list[str]]:
    """Returns the file's content, and the names of objects in it that were not built.

    Torch's own loader builds tensors and containers only. If it refuses another object, the file is
    read with `restricted_pickle`.
    """
    torch = require_package("torch", "convert", f"{path} is a PyTorch file; reading it")

    def load(**options: Any) -> Any:
        with path.open("rb") as file:
            # From a path with this suffix torch would expect the safetensors format.
            if mapped and path.suffix != ".safetensors":
                return torch.load(str(path), map_location="cpu", mmap=True, **options)
            return torch.load(file, map_location="cpu", **options)

    not_built: dict[str, None] = {}
    try:
        try:
            return load(weights_only=True), []
        except pickle.UnpicklingError as error:
            if not _forbidden_name(str(error)):
                raise
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on classes without source code
            restricted = restricted_pickle(not_built)
            return load(weights_only=False, pickle_module=restricted), [*not_built]
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise _forbidden_object_error(path, str(error)) from None
    except Exception as error:  # a damaged pickle may raise any exception
        raise _damaged_file_error(path, str(error)) from None


def _forbidden_name(reason: str) -> str | None:
    """Returns the object that a loader refused to build, or None if it failed otherwise."""
    match = re.search(r"GLOBAL (\S+)|[Uu]nsupported class (\S+)|operand (\d+)", reason)
    return next(filter(None, match.groups())) if match else None


def _forbidden_object_error(path: Path, reason: str) -> UserError:
    """Returns the error for a pickle with an object that the loader refuses to build."""
    name = _forbidden_name(reason)
    if not name:
        return _damaged_file_error(path, reason)
    return UserError(
        f"{path} holds more than tensors: it would run or build {name}, which was refused. "
        "Expected a state dict: torch.save(model.state_dict(), file). Write one on the machine "
        "that made the file, if you trust it."
    )


def _damaged_file_error(path: Path, reason: str) -> UserError:
    """Returns the error for a truncated or damaged file."""
    first = one_line((reason.strip().splitlines() or ["unexpected end"])[0])
    return UserError(
        f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated PyTorch file "
        f"({first}). Download or copy it again."
    )


def _state_dict(
    loaded: Any, not_built: list[str], path: Path
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns the tensors by key, without the wrappers of a training script, and notes.

    The notes list the wrappers, and the objects that are no tensors or were not built.
    """
    notes: list[str] = []
    while isinstance(loaded, Mapping) and (name := _wrapper(loaded, path)) is not None:
        notes.append(f"keys unwrapped from {name!r}{_left_out(loaded, name)}")
        loaded = loaded[name]
    if not isinstance(loaded, Mapping):
        raise UserError(
            f"{path} holds one {type(loaded).__name__}, expected a state dict: tensors by name, "
            "as torch.save(model.state_dict(), file) writes it."
        )
    state = _tensors(loaded)
    if not state:
        keys = ", ".join(repr(_name(key)) for key in list(loaded)[:5]) or "nothing"
        objects = f", and objects that are not built ({shorten(not_built)})" if not_built else ""
        raise UserError(
            f"{path} holds no tensors under its keys ({keys}){objects}, expected a state dict, "
            f"directly or under one of {', '.join(_WRAPPERS)}, as torch.save(model.state_dict(), "
            "file) writes it."
        )
    if not_tensors := [_name(key) for key in loaded if _name(key) not in state]:
        notes.append(f"not tensors, left out: {shorten(not_tensors)}")
    if not_built:
        notes.append(f"objects that were not built: {shorten(not_built)}")
    return state, tuple(notes)


def _tensors(state: Mapping[Any, Any]) -> dict[str, Any]:
    import torch

    return {_name(key): value for key, value in state.items() if isinstance(value, torch.Tensor)}


def _name(key: Any) -> str:
    """Returns a text or number as text, and only the type of any other key, which may be large."""
    return str(key) if isinstance(key, (str, int, float)) else f"<{type(key).__name__}>"


def _wrapper(loaded: Mapping[Any, Any], path: Path) -> Any:
    """Returns the key under which a training script has stored the network, or None.

    It is one of `_WRAPPERS`, or else the key of the dictionary with the most tensors, if that has
    more tensors than there are beside it.
    """
    mappings = {key: value for key, value in loaded.items() if isinstance(value, Mapping)}
    counts = {key: len(_tensors(value)) for key, value in mappings.items()}
    for name in _WRAPPERS:
        # A wrapper may contain another one.
        if counts.get(name) or any(isinstance(v, Mapping) for v in mappings.get(name, {}).values()):
            return name
    most = max(counts.values(), default=0)
    if most <= len(_tensors(loaded)):
        return None
    largest = [key for key, count in counts.items() if count == most]
    if len(largest) > 1:
        raise UserError(
            f"{path} holds {len(largest)} networks of {most} tensors, under"
            f" {', '.join(map(repr, largest))}. Save the one to use: torch.save(torch.load(file)"
            f"[{largest[0]!r}], new_file)."
        )
    return largest[0]


def _left_out(loaded: Mapping[Any, Any], name: str) -> str:
    """Returns the end of a note: the keys beside the network's state, which are left out."""
    other_keys = [_name(key) for key in loaded if _name(key) != _name(name)]
    return f"; left out: {shorten(other_keys)}" if other_keys else ""
