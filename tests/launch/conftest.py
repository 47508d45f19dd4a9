"""Entry points run several times in one process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Runs an entry point in one process once for each list of arguments.
COMMANDS = """
import contextlib, importlib, io, json, sys
from absl import flags
from launch.command.app import run

name, given = sys.argv[1:]
main, answers = importlib.import_module(f"launch.{name}").main, []
for arguments in json.loads(given):
    flags.FLAGS.unparse_flags()
    sys.argv, status, output, errors = [name, *arguments], 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            run(main)
        except SystemExit as stop:
            status = stop.code
    answers.append([status, output.getvalue(), errors.getvalue()])
print(json.dumps(answers))
"""

# Runs in every Python process before anything else, processes of processes too.
NETWORK_WATCH = """
import os, sys
def note(event, arguments):
    lookup = event.startswith("socket.getaddrinfo") or event.startswith("socket.gethostby")
    # A path is the address of a socket on this machine.
    reached = event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple)
    if lookup or reached:
        with open(os.environ["FERJAX_TEST_NETWORK"], "a") as file:
            file.write(f"{event} {arguments}\\n")
        raise OSError("the network is cut")
sys.addaudithook(note)
"""


@pytest.fixture
def network_watch(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Path]:
    """Returns variables that cut Python processes off the network, and the log of their tries."""
    folder = tmp_path_factory.mktemp("watch")
    (folder / "sitecustomize.py").write_text(NETWORK_WATCH)
    log = folder / "network.log"
    path = os.pathsep.join((str(folder), str(ROOT)))
    return {"PYTHONPATH": path, "FERJAX_TEST_NETWORK": str(log)}, log


@pytest.fixture
def commands(tmp_path: Path) -> Callable[..., list[tuple[int, str, str]]]:
    """Returns a function (entry point, lists of arguments) → each one's status, output, errors.

    All run in one process with `tmp_path` as its folder: a process takes seconds to start.
    """

    def call(name: str, *given: Sequence[str], **environment: str) -> list[tuple[int, str, str]]:
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS, name, json.dumps(given)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        answers = [(status, output, errors) for status, output, errors in json.loads(done.stdout)]
        assert not any("Traceback" in errors for *_, errors in answers), answers
        return answers

    return call
