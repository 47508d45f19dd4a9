"""Runs a usage script of an export in a fresh process, in which ferjax cannot be imported."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.runtime.child_processes import last_lines

_WITHOUT_FERJAX = Path(__file__).parent / "usage" / "without_ferjax.py"


def run_usage(
    script: Path, file: Path, faces: Path, *, time: bool, python: str = sys.executable
) -> dict[str, Any]:
    """Runs a usage script; returns `probabilities` by emotion and `milliseconds` by batch size.

    Args:
      script: a script of `ferjax/export/usage/`, or its copy.
      file: the exported file, its first argument.
      faces: .npy of uint8 [N, H, W, C].
      time: whether batches of 1 and 64 are timed.
      python: the interpreter.

    Raises:
      UserError: the script failed; the message has the last lines that it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        result_file = Path(folder) / "found.json"
        arguments = [str(path.resolve()) for path in (script, file, faces)]
        command = [python, "-P", str(_WITHOUT_FERJAX), *arguments, f"--save={result_file}"]
        done = subprocess.run(
            command + ["--time"] * time,
            cwd=folder,
            env=_environment(),
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode or not result_file.is_file():
            raise UserError(
                f"{file.name} was written, but {script.name} cannot run it in a fresh process"
                f" (exit {done.returncode}):\n{last_lines(done)}"
            )
        return json.loads(result_file.read_text("utf-8"))


def _environment() -> dict[str, str]:
    """Returns this process's environment, with no folder of ferjax in PYTHONPATH."""
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [os.path.abspath(folder) for folder in folders if folder]
    kept = [folder for folder in kept if not os.path.isdir(os.path.join(folder, "ferjax"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(kept), "PYTHONDONTWRITEBYTECODE": "1"}
