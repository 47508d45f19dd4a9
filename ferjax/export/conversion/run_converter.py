"""Runs a module of `ferjax.export.conversion` by the interpreter of a converter's environment."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
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
    """Returns the JSON values that the module's process wrote as its answer.

    The process sees `ferjax`, and the module that registered a network of the user's, by links in a
    folder of its own: other packages of this environment stay out of the converter's.

    Args:
      python: from `converter_python`.
      module: name of a module of this package; its `main(folder)` reads the request.
      request: JSON values; `module`: where the network's class is, if it is needed.
      arrays: by name.
      folder: empty, of this call.

    Raises:
      UserError: the process failed, with the last lines that it printed.
    """
    (folder / REQUEST).write_text(json.dumps(request), "utf-8")
    named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez(folder / ARRAYS, **named)
    visible = folder / "visible"
    visible.mkdir()
    _link(visible, Path(ferjax.__file__).parent)
    own = str(request.get("module", "ferjax")).split(".")[0]
    if own != "ferjax":
        file = Path(str(sys.modules[own].__file__))
        _link(visible, file.parent if file.name == "__init__.py" else file)
    variables = {
        # What the user's own jax is told does not hold for the converter's.
        **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JAX_", "XLA_"))},
        "PYTHONPATH": str(visible),
        "JAX_PLATFORMS": "cpu",
        # jax2onnx compiles a hundred small programs when it is imported.
        "JAX_COMPILATION_CACHE_DIR": compile_cache_folder(),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    start = f"import ferjax.export.conversion.{module} as m; from pathlib import Path; import sys"
    # Without -P the folder where the command was started comes first, with its onnx.py.
    command = [str(python), "-P", "-c", f"{start}; m.main(Path(sys.argv[1]))", str(folder)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, errors="replace")
    answer = folder / ANSWER
    if done.returncode or not answer.is_file():
        raise UserError(
            f"the converter {module} failed (exit {done.returncode}). The network is as it was; its"
            f" last lines:\n{last_lines(done)}"
        )
    return json.loads(answer.read_text("utf-8"))


def _link(folder: Path, target: Path) -> None:
    (folder / target.name).symlink_to(target.resolve(), target_is_directory=target.is_dir())
