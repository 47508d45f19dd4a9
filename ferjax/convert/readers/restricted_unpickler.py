"""Unpickles a PyTorch file without running its code: only tensors and containers are built.

A pickle contains names of functions and classes, which the module pickle imports and calls. Here
only those that build tensors and containers are imported. Any other name becomes a new empty class,
which accepts all arguments and does nothing. So the tensors can be read although a training script
has stored its settings and statistics beside them.
"""

import builtins
import importlib
import pickle
import sys
import types
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Any

# Functions and classes that build tensors and containers in a file of torch.save.
_ALLOWED = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch.storage.UntypedStorage",
}
# Modules of Python whose objects training scripts store beside tensors. A name from any other
# module of Python (os, subprocess, builtins.exec) is treated as an attempt to run code.
_HARMLESS_MODULES = {
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
    """An empty object in place of one that is not built; it accepts all calls of pickle."""

    def __new__(cls, *_: Any, **__: Any) -> "StandIn":
        """Returns an empty object, whatever the arguments."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Ignores the arguments."""

    def __call__(self, *_: Any, **__: Any) -> "StandIn":
        """Returns itself."""
        return self

    def _ignore(self, *_: Any) -> None:
        """Does nothing."""

    __setstate__ = __setitem__ = append = extend = add = update = _ignore


def restricted_pickle(not_built: dict[str, None]) -> Any:
    """Returns a replacement of the module pickle for `torch.load`.

    Args:
      not_built: the names of objects that are not built are added to it, as keys.
    """

    # Not `pickle.Unpickler`: its memo is an array, and a file of a few bytes, with a large index,
    # makes it fill gigabytes with zeros. The memo of the version in Python is a dict.
    class Unpickler(pickle._Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            # Torch writes the names of Python 2.
            renamed = (IMPORT_MAPPING.get(module, module), name)
            module, name = NAME_MAPPING.get((module, name), renamed)
            full = f"{module}.{name}"
            if full in _ALLOWED or _is_dtype(module, name):
                return getattr(importlib.import_module(module), name)
            _refuse_code(module, name)
            not_built[full] = None
            return type(full, (StandIn,), {})

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    return types.SimpleNamespace(__name__="pickle", Unpickler=Unpickler, load=load)


def _is_dtype(module: str, name: str) -> bool:
    """Returns whether a name is one of torch's dtypes."""
    torch = sys.modules["torch"]
    return module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)


def _refuse_code(module: str, name: str) -> None:
    """Raises `UnpicklingError` for a name that a file of weights contains only to run code."""
    package = module.partition(".")[0]
    is_type = package == "builtins" and isinstance(getattr(builtins, name, None), type)
    if package in sys.stdlib_module_names and package not in _HARMLESS_MODULES and not is_type:
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")
