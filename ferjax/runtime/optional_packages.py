"""Optional packages: each belongs to an extra of `pyproject.toml`, which installs it."""

import importlib
from typing import Any

from ferjax.errors import UserError

# Top-level module → name of its package, if the names differ.
_PACKAGE_NAMES = {"ai_edge_litert": "ai-edge-litert", "av": "PyAV", "cv2": "OpenCV"}


def require_package(module: str, extra: str | None, purpose: str, otherwise: str = "") -> Any:
    """Returns a module of an optional package.

    Args:
      module: its full name, with dots.
      extra: the extra of ferjax that installs it; None: the package is installed by its own name.
      purpose: the flag or feature that needs the module; it begins the message.
      otherwise: an alternative for the user; it ends the message.

    Raises:
      UserError: the module cannot be imported; see `missing_package`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_package(error, module, extra, purpose, otherwise) from None


def missing_package(
    error: ImportError, module: str, extra: str | None, purpose: str, otherwise: str = ""
) -> UserError:
    """Returns the error for a module that could not be imported: what needs it, how to get it.

    If the package is installed but its import fails, for example because a system library is
    missing, the message says that it cannot be imported, and gives the reason.

    Args:
      error: the error of the import.
      module: as in `require_package`.
      extra: as in `require_package`.
      purpose: as in `require_package`.
      otherwise: as in `require_package`.
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
