"""Environment of a run for its report: git commit, library versions, devices, command line."""

import functools
import importlib.metadata
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_LIBRARIES = ("ferjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
_MINUTES = "training wall time, minutes"
# The entry of compiler options that this jaxlib does not know.
DROPPED_OPTIONS = "compiler options dropped"


def describe_environment(devices: list[Any], seconds: float) -> dict[str, Any]:
    """Returns the environment of this process as name → text, number or mapping, ready for JSON.

    Args:
      devices: the JAX devices of the computation, at least one.
      seconds: wall time of training, summed over all resumptions.
    """
    return {**describe_process(devices), **training_minutes(seconds)}


def describe_process(devices: list[Any]) -> dict[str, Any]:
    """Returns commit, versions, devices and command line of this process, ready for JSON.

    There is an entry about compiler options only if this jaxlib does not know some of them: without
    them XLA may use another library, which has another speed.

    Args:
      devices: the JAX devices of the computation, at least one.
    """
    # Reports are also written without JAX.
    from ferjax.runtime.programs.compiler_options import dropped_options

    dropped = dropped_options(devices[0].platform)
    kinds = sorted({device.device_kind for device in devices})
    return {
        "git commit": git_commit(),
        "versions": {name: version_of(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": f"{len(devices)} x {', '.join(kinds)} ({devices[0].platform})",
        **({DROPPED_OPTIONS: "; ".join(dropped)} if dropped else {}),
        "command line": command_line(sys.argv),
    }


def training_minutes(seconds: float) -> dict[str, float]:
    """Returns the entry of an environment that states the wall time of training."""
    return {_MINUTES: round(seconds / 60, 2)}


def training_process(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the report of a run states of the process that trained it, without its time.

    It is empty where an earlier version's `launch.evaluate` wrote the report again, because that
    command replaced the facts about the training by its own.

    Args:
      environment: the block `environment` of the report.
    """
    if str(environment.get("command line")).startswith("python -m launch.evaluate"):
        return {}
    return {name: value for name, value in environment.items() if name != _MINUTES}


def command_line(argv: Sequence[str]) -> str:
    """Returns the command line that repeats the run, without the program's path."""
    program = Path(argv[0])
    head = ["python", "-m", f"launch.{program.stem}"]
    return shlex.join([*(head if program.parent.name == "launch" else [program.name]), *argv[1:]])


@functools.cache
def git_commit() -> str:
    """Returns the git commit of ferjax's checkout, with ` +changes` if edited, or `unknown`.

    It is read once in a process: the checkout may change while a run is trained.
    """
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


@functools.cache
def version_of(library: str) -> str:
    """Returns the installed version of a library, or `not installed`."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
