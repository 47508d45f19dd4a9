"""Files that torch.save wrote. They are pickles: nothing but tensors is ever rebuilt from them."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.readers.source_file import Source, dtype_notes, without_prefixes
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError

# Where training scripts keep the network's state, averaged weights first.
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")
# Pages of a mapped file stay in memory as long as the mapping; it is renewed after as many bytes.
_MAPPED_BYTES = 64 << 20


def open_torch(path: Path, *, mapped: bool) -> Source:
    """Opens a file of torch.save: `mapped` for the zip format, which is read lazily.

    Raises:
      UserError: torch is missing, or the file is damaged, holds code or no tensors.
    """
    state, notes = _state(_load(path, mapped), path)
    names, unwrapped = without_prefixes(state)
    leaves = {name: _leaf(state[key]) for name, key in names.items()}
    left, touched = state, 0

    def read(name: str) -> np.ndarray:
        nonlocal left, touched
        if touched > _MAPPED_BYTES or names[name] not in left:
            left.clear()
            left, touched = _state(_load(path, mapped), path)[0], 0
        # What is not mapped is in memory already: handed over, it is freed once converted.
        tensor = left[names[name]] if mapped else left.pop(names[name])
        touched += tensor.nbytes if mapped else 0
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
    """Returns what the file holds, as the loader that rebuilds tensors and containers alone."""
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{path} is a PyTorch file; reading it needs torch: pip install 'ferjax[convert]'."
        ) from None
    try:
        with path.open("rb") as file:
            # torch would go by the suffix if it saw this one.
            if mapped and path.suffix != ".safetensors":
                return torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
            return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from None
    except Exception as error:  # a damaged pickle fails in any way there is
        raise _damaged(path, str(error)) from None


def _refused(path: Path, reason: str) -> UserError:
    """Returns the error for a pickle that the loader stopped at."""
    found = re.search(r"GLOBAL (\S+)|[Uu]nsupported class (\S+)|operand (\d+)", reason)
    if not found:
        return _damaged(path, reason)
    what = next(filter(None, found.groups()))
    return UserError(
        f"{path} holds more than tensors: it would run or build {what}, which was refused. "
        "Expected a state dict: torch.save(model.state_dict(), file). Write one where the file "
        "comes from, if you trust it."
    )


def _damaged(path: Path, reason: str) -> UserError:
    """Returns the error for a file that ends early or makes no sense."""
    first = (reason.strip().splitlines() or ["unexpected end"])[0]
    return UserError(
        f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated PyTorch file "
        f"({first}). Download or copy it again."
    )


def _state(loaded: Any, path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns the tensors by key out of whatever a training script put around them, and notes."""
    import torch

    notes: list[str] = []
    while isinstance(loaded, Mapping) and (
        name := next((w for w in _WRAPPERS if isinstance(loaded.get(w), Mapping)), None)
    ):
        notes.append(f"keys unwrapped from {name!r}{_beside(loaded, name)}")
        loaded = loaded[name]
    if not isinstance(loaded, Mapping):
        raise UserError(
            f"{path} holds one {type(loaded).__name__}, expected a state dict: tensors by name, "
            "as torch.save(model.state_dict(), file) writes."
        )
    state = {str(key): v for key, v in loaded.items() if isinstance(v, torch.Tensor)}
    if not state:
        keys = ", ".join(map(repr, list(loaded)[:5])) or "nothing"
        raise UserError(
            f"{path} holds no tensors under its keys ({keys}), expected a state dict, bare or "
            f"under one of {', '.join(_WRAPPERS)}."
        )
    if others := [str(key) for key in loaded if str(key) not in state]:
        notes.append(f"not tensors, left out: {_some(others)}")
    return state, tuple(notes)


def _beside(loaded: Mapping[Any, Any], name: str) -> str:
    """Returns the end of a note that names what lies beside the network's state."""
    others = [str(key) for key in loaded if key != name]
    return f"; left out: {_some(others)}" if others else ""


def _some(names: list[str]) -> str:
    """Returns the first names of a list, and how many there are."""
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:6])} ... ({len(names)})"
