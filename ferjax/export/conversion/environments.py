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
from ferjax.runtime.offline import downloads_are_forbidden
from ferjax.runtime.progress_lines import say

# Name → packages that pip installs. jax2onnx needs an older orbax-checkpoint than ferjax: with a
# newer one pip silently installs a jax2onnx that is years old. litert-converter needs an old
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
# Size of each environment on disk, for the progress line.
_SIZES = {"onnx": "1.1 GB", "tflite": "0.5 GB"}
# A module with compiled parts: an environment is kept only if this import succeeds.
_IMPORTED = {"onnx": "onnxruntime", "tflite": "ai_edge_litert.interpreter"}
# Environment variables that would make pip install into another folder, or make the environment's
# Python use the packages of the user's Python.
_DROPPED = frozenset({"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"})
# Seconds. Several machines may share a home folder, and another machine may need hours to make the
# same environment, so its temporary folder is not removed earlier.
_DAY = 86400


def environments_folder() -> Path:
    """Returns the folder of the environments: $FERJAX_ENVIRONMENTS, or one in ferjax's cache."""
    configured = os.environ.get("FERJAX_ENVIRONMENTS")
    return Path(configured).expanduser() if configured else cache_root() / "environments"


def converter_python(name: str, progress: bool = True) -> Path:
    """Returns the interpreter of a converter's environment, which is made at the first call.

    The environment is built under a temporary name and renamed when it is complete, so that the
    incomplete environment of a killed command is never used. A later call removes it after a day.
    An environment whose Python no longer exists is made again.

    Args:
      name: a key of `ENVIRONMENTS`.
      progress: whether to print a line if the environment is made.

    Raises:
      UserError: the environment cannot be made: downloads are forbidden, no network for pip, no
        space, no module venv.
    """
    packages = ENVIRONMENTS[name]
    version = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:8]
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = environments_folder().absolute() / f"{name}-python{release}-{version}"
    if not interpreter(folder).exists():
        if downloads_are_forbidden():
            raise UserError(
                f"The converter's environment {folder} does not exist, and FERJAX_OFFLINE or"
                " HF_HUB_OFFLINE forbids to install it. Run the command once without the variable,"
                " or leave out the formats that need the converter."
            )
        say(
            f"installing the converter once, {_SIZES[name]} in {folder}: {', '.join(packages)}",
            progress,
        )
        _make(folder, packages, _IMPORTED[name])
    else:
        # A killed command may have left an incomplete environment of a gigabyte.
        remove_left_by_killed_processes(folder, _DAY)
    return interpreter(folder)


def interpreter(folder: Path) -> Path:
    """Returns the path of an environment's Python interpreter."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(folder: Path, packages: Sequence[str], module: str) -> None:
    """Makes an environment with these packages, and imports the module in it as a check.

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
                # The Python from which the old environment was made no longer exists.
                folder.rename(broken)
            # An environment can be renamed: only its scripts contain the path of the installation.
            temporary.rename(folder)
    except OSError as error:
        # No error if another command, which started at the same time, has made the environment.
        if not interpreter(folder).exists():
            raise UserError(
                f"{folder} cannot be made: {error.strerror or error}. Set FERJAX_ENVIRONMENTS to a"
                " folder with space that you may write to."
            ) from None


def _run(command: Sequence[str], folder: Path, what: str) -> None:
    """Runs one step of making an environment; raises `UserError` with its last lines on failure."""
    # The process must not see packages of the calling process.
    variables = {key: value for key, value in os.environ.items() if key not in _DROPPED}
    # Overrides pip's configuration: packages go into the environment, not into the user's folder.
    variables["PIP_USER"] = "0"
    done = subprocess.run(command, env=variables, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise UserError(
            f"The converter's environment {folder.name} cannot be made: {what} ended with"
            f" {done.returncode}:\n{last_lines(done)}\nIt needs a package index (network, or pip's"
            " configuration) once; afterwards it is kept and needs none."
        )
