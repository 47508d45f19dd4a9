"""Environment of a run for its report: git commit, library versions, devices, command line."""

import importlib.metadata
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_LIBRARIES = ("ferjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def describe_environment(devices: list[Any], seconds: float) -> dict[str, Any]:
    """Returns the environment of this process as name → text, number or mapping, ready for JSON.

    Args:
      devices: the JAX devices of the computation, at least one.
      seconds: wall time of training, summed over all resumptions.
    """
    kinds = sorted({device.device_kind for device in devices})
    return {
        "git commit": git_commit(),
        "versions": {name: version_of(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": f"{len(devices)} x {', '.join(kinds)} ({devices[0].platform})",
        "command line": command_line(sys.argv),
        "training wall time, minutes": round(seconds / 60, 2),
    }


def command_line(argv: Sequence[str]) -> str:
    """Returns the command line that repeats the run, without the program's path."""
    program = Path(argv[0])
    head = ["python", "-m", f"launch.{program.stem}"]
    return shlex.join([*(head if program.parent.name == "launch" else [program.name]), *argv[1:]])


def without_places(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with every path shortened to its last part.

    `--weights=vgg16=/home/a/vgg.onnx` becomes `--weights=vgg16=vgg.onnx`, so that a published
    report shows no path of this machine.
    """
    return [re.sub(r"(?:(?<=[=:,])|^)[^=:,]*/([^/=:,]+)/?", r"\1", each) for each in arguments]


def git_commit() -> str:
    """Returns the git commit of ferjax's checkout, with ` +changes` if edited, or `unknown`."""
    package = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # An installed ferjax inside some other project's repository must not claim its commit.
        if Path(git("rev-parse", "--show-toplevel")) != package:
            return "unknown"
        commit = git("rev-parse", "HEAD")
        return commit + (" +changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def version_of(library: str) -> str:
    """Returns the installed version of a library, or `not installed`."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
