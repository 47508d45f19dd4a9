"""Unpickles the content of a PyTorch file without its code: other objects become empty stand-ins.

A pickle names functions and classes, which pickle imports and calls. Here only those that make
tensors are. Any other name becomes a new empty class that takes everything and does nothing, so
that settings and statistics of a training script do not hide the tensors beside them.
"""

import builtins
import importlib
import pickle
import sys
import types
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Any

# What tensors and containers are made by, in a file of torch.save.
_ALLOWED = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch.storage.UntypedStorage",
}
# Modules of Python whose objects training scripts leave beside tensors. A name from any other one
# (os, subprocess, builtins.exec) is no leftover but an attempt to run something.
_LEFTOVERS = {
    "_codecs",
    "argparse",
    "collections",
    "copyreg",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "logging",
    "pathlib",
    "random",
    "re",
    "types",
    "typing",
    "uuid",
}


class StandIn:
    """Takes the place of an object that is not built: accepts what pickle does, and is empty."""

    def __new__(cls, *_: Any, **__: Any) -> "StandIn":
        """Returns an empty object, whatever the arguments."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Forgets the arguments."""

    def __call__(self, *_: Any, **__: Any) -> "StandIn":
        """Returns itself."""
        return self

    def _ignore(self, *_: Any) -> None:
        """Does nothing."""

    __setstate__ = __setitem__ = append = extend = add = update = _ignore


def restricted_pickle(left_aside: dict[str, None]) -> Any:
    """Returns a stand-in for the module pickle, for `torch.load`.

    Args:
      left_aside: the names of the objects that were not built are added.
    """

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            # Torch writes the names of Python 2.
            renamed = (IMPORT_MAPPING.get(module, module), name)
            module, name = NAME_MAPPING.get((module, name), renamed)
            full = f"{module}.{name}"
            if full in _ALLOWED or _is_dtype(module, name):
                return getattr(importlib.import_module(module), name)
            _refuse_code(module, name)
            left_aside[full] = None
            return type(full, (StandIn,), {})

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    return types.SimpleNamespace(__name__="pickle", Unpickler=Unpickler, load=load)


def _is_dtype(module: str, name: str) -> bool:
    """Returns whether a name is one of torch's dtypes."""
    torch = sys.modules["torch"]
    return module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)


def _refuse_code(module: str, name: str) -> None:
    """Raises `UnpicklingError` for a name that a file has no reason to hold but to run it."""
    package = module.partition(".")[0]
    is_type = package == "builtins" and isinstance(getattr(builtins, name, None), type)
    if package in sys.stdlib_module_names and package not in _LEFTOVERS and not is_type:
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")
