"""Packages that ferjax does not install by itself: each belongs to an extra of `pyproject.toml`."""

import importlib
from typing import Any

from ferjax.errors import UserError

# Top-level module → the name that its package is known by, where that is another one.
_PACKAGE_NAMES = {"ai_edge_litert": "ai-edge-litert", "av": "PyAV", "cv2": "OpenCV"}


def require_package(module: str, extra: str | None, purpose: str, otherwise: str = "") -> Any:
    """Returns a module of an optional package.

    Args:
      module: its name, with dots.
      extra: the extra of ferjax that installs it; None: the package is installed by its own name.
      purpose: what needs it, which begins the message, such as a flag.
      otherwise: what can be done instead; it ends the message.

    Raises:
      UserError: as `missing_package` says it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_package(error, module, extra, purpose, otherwise) from None


def missing_package(
    error: ImportError, module: str, extra: str | None, purpose: str, otherwise: str = ""
) -> UserError:
    """Returns the error for a module that could not be imported: what needs it, how to get it.

    A package that is there and cannot be imported, for example because of a library of the system
    that it needs, is not said to be missing.

    Args:
      error: what the import raised.
      module: see `require_package`, as are the others.
      extra: of ferjax.
      purpose: what needs it.
      otherwise: what can be done instead.
    """
    top = module.partition(".")[0]
    is_missing = (error.name or "").partition(".")[0] == top
    if isinstance(error, ModuleNotFoundError) and is_missing:
        reason = "is not installed"
    else:
        reason = f"cannot be imported ({error})"
    install = f"'ferjax[{extra}]'" if extra else top
    alternative = f", {otherwise}" if otherwise else ""
    return UserError(
        f"{purpose} needs {_PACKAGE_NAMES.get(top, top)}, which {reason}. Run: pip install"
        f" {install}{alternative}"
    )
