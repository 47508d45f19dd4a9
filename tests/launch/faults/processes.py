"""Starts commands, as plain processes or as children of the zygote, and waits for them."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import Command

ROOT = Path(__file__).resolve().parents[3]
# Far more than a command takes on a busy machine: a deadline passed is a process that hangs.
DEADLINE = 1800
_ZYGOTE = Path(__file__).with_name("zygote.py")


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of a command; its caches lie in `folder`/cache."""
    own = {
        "PYTHONPATH": str(ROOT),
        "FERJAX_CACHE": str(folder / "cache"),
        "FERJAX_PROGRAMS": "1",
        # Else a fast machine would keep none of the small programs.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_NUM_CPU_DEVICES": "1",
        "MPLCONFIGDIR": str(Path.home() / ".config" / "matplotlib"),
    }
    # Programs are cached below FERJAX_CACHE, so that a fault can hit them too.
    others = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    return {**others, **own}


def words_of(command: Command, inputs: Path) -> list[str]:
    """Returns the words of a command line."""
    return [word.replace("{inputs}", str(inputs)) for word in command.words]


def ended_well(command: Command, status: int, said: str) -> bool:
    """Returns whether a command has succeeded, or found its result finished."""
    refused = bool(command.refusal) and status == 1 and re.search(command.refusal, said) is not None
    return status == 0 or refused


def run_plainly(module: str, words: Sequence[str], folder: Path) -> None:
    """Runs `python -m MODULE WORDS` in a folder; an error of it is one of the test."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, f"{module} {words}\n{done.stdout}\n{done.stderr}"


@dataclass
class Child:
    """A command that runs, or has run.

    Attributes:
      pid: of the process, which leads a group of its own.
      log: the file of what it printed.
      begun: when it was started, of `time.monotonic`.
    """

    pid: int
    log: Path
    begun: float

    def kill(self) -> None:
        """Kills the process and all that it has started."""
        self.send(signal.SIGKILL)

    def send(self, number: int) -> None:
        """Sends a signal to the process and to all that it has started."""
        os.killpg(self.pid, number)

    def until_stopped(self) -> None:
        """Waits until the process has been stopped; an error of the test if it ends instead."""
        stat = Path(f"/proc/{self.pid}/stat")
        while (state := stat.read_text("ascii", "replace").rpartition(")")[2].split()[0]) != "T":
            assert state != "Z", f"it has ended\n{self.said()}"
            assert time.monotonic() - self.begun < DEADLINE, f"it hangs\n{self.said()}"
            time.sleep(0.01)

    def said(self) -> str:
        """Returns what it has printed."""
        return self.log.read_text("utf-8", "replace")


@dataclass
class Zygote:
    """The process that forks the children; see zygote.py.

    Attributes:
      mounts: whether it has mounts of its own, so that small and read-only disks can be made.
    """

    mounts: bool
    _process: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        alone = ["unshare", "--map-root-user", "--mount"] if self.mounts else []
        self._process = subprocess.Popen(
            [*alone, sys.executable, str(_ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(Path("/nowhere")),
            text=True,
        )
        self.pid = json.loads(self._process.stdout.readline())["ready"]

    def _ask(self, **request: Any) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(
        self,
        module: str,
        words: Sequence[str],
        folder: Path,
        variables: Mapping[str, str] | None = None,
        log: Path | None = None,
        **faults: Any,
    ) -> Child:
        """Starts a command in a folder, with the faults that zygote.py describes."""
        log = log or folder.with_name(f"{folder.name}.log")
        log.unlink(missing_ok=True)
        answer = self._ask(
            start=module,
            words=list(words),
            folder=str(folder),
            environment={"FERJAX_CACHE": str(folder / "cache"), **(variables or {})},
            log=str(log),
            **faults,
        )
        return Child(answer["pid"], log, time.monotonic())

    def wait(self, child: Child, seconds: float = DEADLINE) -> int:
        """Returns the exit status, as `subprocess` gives it; a child that hangs is killed."""
        limit = threading.Timer(seconds, child.kill)
        limit.start()
        try:
            return self._ask(wait=child.pid)["status"]
        finally:
            limit.cancel()

    def shell(self, script: str) -> str:
        """Runs a script with the mounts of the zygote; returns what it printed."""
        answer = self._ask(shell=script)
        assert answer["status"] == 0, answer["output"]
        return answer["output"]

    def view(self, folder: Path) -> Path:
        """Returns the folder as the children see it."""
        return Path(f"/proc/{self.pid}/root{folder}") if self.mounts else folder

    def close(self) -> None:
        """Ends the zygote."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def can_mount() -> bool:
    """Returns whether processes may have mounts of their own here."""
    script = "mount -t tmpfs -o size=64k none /tmp"
    try:
        done = subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
