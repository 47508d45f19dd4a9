"""A process that has imported everything and forks a child for each command: a start costs nothing.

It reads a request from each line of standard input, JSON, and answers each with a line. A child is
a process group of its own; it runs `python -m MODULE WORDS` as the interpreter would, from the
import of the module to its exit. No backend of JAX and no thread of Python runs before the fork.

    {"start": MODULE, "words": [...], "folder": DIR, "environment": {...}, "log": FILE, ...}
    {"wait": PID}       → {"status": as of subprocess}
    {"shell": SCRIPT}   → {"status": ..., "output": ...}, in the mounts of this process

Further keys of a start, for the faults: `changes` (a file that a letter is added to at each change
of the file system), `kill_at` (the number of the change before which the group is killed),
`stop_at` (the number of the change before which it is stopped, until SIGCONT), `most_bytes` (of a
file), `clock` (seconds that are added to every second reading of it).
"""

import datetime
import importlib
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any

PRELOADED = (
    "flax.linen",
    "grain",
    "matplotlib.pyplot",
    "optax",
    "orbax.checkpoint",
    "scipy.stats",
    "ferjax.baselines.run_baseline",
    "ferjax.experiment",
    "ferjax.explain.reporting.explain_files",
    "ferjax.export.run_export",
    "ferjax.predict.run_predict",
    "ferjax.reproduce.command.run_reproduce",
    "ferjax.search.run_search",
    "ferjax.serve.run_serve",
    "ferjax.tools.convert_weights",
    "ferjax.tools.prepare_data",
)
# Events of Python's audit hooks that change the file system.
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink"}
_CHANGES |= {"os.truncate", "shutil.copyfile"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def main() -> None:
    """Answers requests until standard input ends."""
    # JAX warns at every fork, because it would be unsafe after a backend has been started.
    warnings.filterwarnings("ignore", ".*fork.*")
    for name in PRELOADED:
        importlib.import_module(name)
    # Not sys.stdin, which commands expect unread.
    requests = os.fdopen(os.dup(0))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print(json.dumps({"ready": os.getpid()}), file=answers)
    for line in requests:
        request = json.loads(line)
        if "start" in request:
            ready, begun = os.pipe()
            child = os.fork()
            if not child:
                answers.close()
                requests.close()
                os.setsid()
                os.write(begun, b"x")
                _run(request)
            # Until it has a group of its own it cannot be killed as one.
            os.read(ready, 1)
            os.close(ready)
            os.close(begun)
            answer: dict[str, Any] = {"pid": child}
        elif "wait" in request:
            status = os.waitpid(request["wait"], 0)[1]
            answer = {"status": os.waitstatus_to_exitcode(status)}
        else:
            done = subprocess.run(
                ["sh", "-c", request["shell"]], capture_output=True, text=True, check=False
            )
            answer = {"status": done.returncode, "output": done.stdout + done.stderr}
        print(json.dumps(answer), file=answers)


def _run(request: dict[str, Any]) -> None:
    """Becomes the process of a command; does not return."""
    with open(os.devnull) as nothing, open(request["log"], "ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    if most := request.get("most_bytes"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if step := request.get("clock"):
        _let_jump(step)
    if request.keys() & {"changes", "kill_at", "stop_at"}:
        signals = {
            request[key]: number
            for key, number in (("kill_at", signal.SIGKILL), ("stop_at", signal.SIGSTOP))
            if key in request
        }
        _watch_changes(request.get("changes"), signals)
    sys.argv = [request["start"], *request["words"]]
    # The folder in which a module is started comes first, as in the interpreter.
    sys.path.insert(0, "")
    runpy.run_module(request["start"], run_name="__main__", alter_sys=True)
    sys.exit(0)


def _watch_changes(record: str | None, signals: Mapping[int, int]) -> None:
    """Counts changes below the current folder, and sends the group a signal before some of them."""
    here, seen = os.getcwd(), 0
    file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if record else None

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "open":
            if not isinstance(given[2], int) or not given[2] & _WRITING:
                return
        elif event not in _CHANGES:
            return
        if not isinstance(given[0], (str, bytes, os.PathLike)):
            return
        if not os.path.abspath(os.fsdecode(given[0])).startswith(here):
            return
        # Another thread may come here while this one is stopped.
        change, seen = seen, seen + 1
        if change in signals:
            os.killpg(0, signals[change])
        if file is not None:
            os.write(file, b"x")

    sys.addaudithook(hook)


def _let_jump(step: float) -> None:
    """Adds `step` seconds to every second reading of the clock; durations need another clock."""
    real, looks = time.time, 0

    def jumping() -> float:
        nonlocal looks
        looks += 1
        return real() + step * (looks % 2)

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Jumping":
            return cls.fromtimestamp(jumping(), tz)

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)
    for name, module in [*sys.modules.items()]:
        if name.startswith("ferjax.") and getattr(module, "datetime", None) is datetime.datetime:
            module.datetime = Jumping  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
