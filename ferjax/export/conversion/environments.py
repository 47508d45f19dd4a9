"""Python environments of converters whose packages do not fit beside ferjax's own."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.atomic_files import remove_left_by_killed_processes, temporary_beside
from ferjax.runtime.cache_root import cache_root
from ferjax.runtime.child_processes import last_lines
from ferjax.runtime.progress_lines import say

# Name → what pip installs. jax2onnx needs an orbax-checkpoint older than ferjax's: beside a newer
# one pip silently takes a jax2onnx that is years old. litert-converter needs an old
# typing-extensions, which packages of web servers refuse.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "onnx": (
        "jax2onnx==0.17.1",
        "jax==0.10.2",
        "flax==0.12.8",
        "orbax-checkpoint==0.11.36",
        "numpy==2.4.6",
        "onnx==1.23.2",
        "onnx-ir==1.1.0",
        "onnxruntime==1.32.0",
        "onnxslim==0.1.98",
    ),
    "tflite": (
        "litert-converter==0.5.0",
        "ai-edge-litert==2.3.0",
        "ai-edge-quantizer==0.10.0",
        "numpy==2.4.6",
    ),
}
# What they take on disk, for the line that says what happens.
_SIZES = {"onnx": "1.1 GB", "tflite": "0.5 GB"}
# A module with compiled parts, imported before an environment is kept.
_IMPORTED = {"onnx": "onnxruntime", "tflite": "ai_edge_litert.interpreter"}
# They would have pip install elsewhere, or as if it were the user's own Python.
_DROPPED = frozenset({"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"})
# In a home that machines share another one may be making the same environment, for hours.
_DAY = 86400


def environments_folder() -> Path:
    """Returns the folder of the environments: $FERJAX_ENVIRONMENTS, or one in ferjax's cache."""
    given = os.environ.get("FERJAX_ENVIRONMENTS")
    return Path(given).expanduser() if given else cache_root() / "environments"


def converter_python(name: str, progress: bool = True) -> Path:
    """Returns the interpreter of a converter's environment, which is made at the first call.

    It is built under a temporary name and renamed when it is complete, so a command that was killed
    leaves none behind that is taken for complete; a later call removes what it left, a day after.
    One whose Python is gone is made again.

    Args:
      name: a key of `ENVIRONMENTS`.
      progress: whether a line says that it is made.

    Raises:
      UserError: it cannot be made: no network for pip, no space, no module venv.
    """
    packages = ENVIRONMENTS[name]
    version = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:8]
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = environments_folder().absolute() / f"{name}-python{release}-{version}"
    if not interpreter(folder).exists():
        say(
            f"installing the converter once, {_SIZES[name]} in {folder}: {', '.join(packages)}",
            progress,
        )
        _make(folder, packages, _IMPORTED[name])
    else:
        # A command that was killed may have left a gigabyte of one half made.
        remove_left_by_killed_processes(folder, _DAY)
    return interpreter(folder)


def interpreter(folder: Path) -> Path:
    """Returns the path of the Python of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(folder: Path, packages: Sequence[str], module: str) -> None:
    """Makes an environment with packages, one of which has the module.

    Raises:
      UserError: a step failed.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(folder, _DAY) as broken, temporary_beside(folder, _DAY) as temporary:
            _run([sys.executable, "-m", "venv", str(temporary)], folder, "python -m venv")
            python = str(interpreter(temporary))
            pip = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
            _run([*pip, "--disable-pip-version-check", *packages], folder, "pip")
            _run([python, "-I", "-c", f"import {module}"], folder, f"import {module}")
            if os.path.lexists(folder) and not interpreter(folder).exists():
                # The Python that it was made with is gone.
                folder.rename(broken)
            # An environment moves: only its scripts name the place where they were installed.
            temporary.rename(folder)
    except OSError as error:
        # Two commands that began together: the other one was faster.
        if not interpreter(folder).exists():
            raise UserError(
                f"{folder} cannot be made: {error.strerror or error}. Set FERJAX_ENVIRONMENTS to a"
                " folder with space that you may write to."
            ) from None


def _run(command: Sequence[str], folder: Path, what: str) -> None:
    """Runs a step of making an environment; raises `UserError` with the last lines it printed."""
    # Packages of the calling process must not be taken for those of the environment.
    variables = {key: value for key, value in os.environ.items() if key not in _DROPPED}
    # Also where pip's configuration says otherwise.
    variables["PIP_USER"] = "0"
    done = subprocess.run(command, env=variables, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise UserError(
            f"The converter's environment {folder.name} cannot be made: {what} ended with"
            f" {done.returncode}:\n{last_lines(done)}\nIt needs a package index (network, or pip's"
            " configuration) once; afterwards it is kept and needs none."
        )
