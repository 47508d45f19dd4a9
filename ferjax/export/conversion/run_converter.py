"""Runs a module of `ferjax.export.conversion` with the Python of a converter's environment."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import ferjax
from ferjax.errors import UserError
from ferjax.export.conversion.exchange import ANSWER, ARRAYS, REQUEST
from ferjax.runtime.child_processes import last_lines
from ferjax.runtime.programs.compile_cache import compile_cache_folder


def run_converter(
    python: Path,
    module: str,
    request: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    folder: Path,
) -> dict[str, Any]:
    """Runs a module in a new process; returns the JSON values that it wrote as its answer.

    The process imports `ferjax`, and the user's module that registered the network, through links
    in a separate folder. So it does not see the other packages of the calling process.

    Args:
      python: the interpreter, from `converter_python`.
      module: name of a module of this package; its `main(folder)` reads the request.
      request: JSON values; `module` is the module of the network's class, if the converter needs
        it.
      arrays: the arrays of the request by name.
      folder: an empty folder for this call alone.

    Raises:
      UserError: the network's module has no file, or the process failed, with the last lines that
        it printed.
    """
    (folder / REQUEST).write_text(json.dumps(request), "utf-8")
    named_arrays: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez(folder / ARRAYS, **named_arrays)
    visible = folder / "visible"
    visible.mkdir()
    _link(visible, Path(ferjax.__file__).parent)
    package = str(request.get("module", "ferjax")).split(".")[0]
    if package != "ferjax":
        _link_module(visible, sys.modules[package])
    variables = {
        # Settings of the user's Python and jax must not apply to the converter's.
        **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JAX_", "XLA_"))},
        "PYTHONPATH": str(visible),
        "JAX_PLATFORMS": "cpu",
        # jax2onnx compiles a hundred small programs when it is imported.
        "JAX_COMPILATION_CACHE_DIR": compile_cache_folder(),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    imports = f"import ferjax.export.conversion.{module} as m; from pathlib import Path; import sys"
    # -P: otherwise modules in the current folder, such as an onnx.py, would be imported first.
    command = [str(python), "-P", "-c", f"{imports}; m.main(Path(sys.argv[1]))", str(folder)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, errors="replace")
    answer = folder / ANSWER
    if done.returncode or not answer.is_file():
        raise UserError(
            f"the converter {module} failed (exit {done.returncode}). The network is as it was; its"
            f" last lines:\n{last_lines(done)}"
        )
    return json.loads(answer.read_text("utf-8"))


def _link_module(folder: Path, module: ModuleType) -> None:
    """Links a module, or a package of any kind, into a folder from which it is imported.

    Raises:
      UserError: the module has no file.
    """
    if name := getattr(module, "__file__", None):
        file = Path(name)
        _link(folder, file.parent if file.name == "__init__.py" else file)
        return
    if not hasattr(module, "__path__"):
        raise UserError(
            "the class of the network is defined in a notebook or a console, from which no"
            " converter can import it. Put it into a module, and import it from there."
        )
    # A package without __init__.py may be spread over several folders; the first has precedence.
    package = folder / module.__name__
    package.mkdir()
    for part in module.__path__:
        for path in Path(part).iterdir():
            if not (package / path.name).is_symlink():
                _link(package, path)


def _link(folder: Path, target: Path) -> None:
    (folder / target.name).symlink_to(target.resolve(), target_is_directory=target.is_dir())
