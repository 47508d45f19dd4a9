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
import atexit, os, sys

allowed = tuple(filter(None, os.environ.get("FERJAX_TEST_ALLOWED", "").split(",")))

def write(line):
    with open(os.environ["FERJAX_TEST_NETWORK"], "a") as file:
        file.write(line + "\\n")

def note(event, arguments):
    if event.startswith("socket.getaddrinfo") or event.startswith("socket.gethostby"):
        host = arguments[0]
    # A path is the address of a socket on this machine.
    elif event in ("socket.connect", "socket.sendto", "socket.bind") and isinstance(
        arguments[1], tuple
    ):
        host = arguments[1][0]
    else:
        return
    if host not in allowed:
        write(f"{event} {arguments}")
        raise OSError("the network is cut")

def note_packets():
    # The kernel counts for this namespace what had no route, also what libraries in C sent.
    lines = [line.split() for line in open("/proc/net/snmp") if line.startswith("Ip:")]
    count = int(lines[1][lines[0].index("OutNoRoutes")])
    count += sum(int(line.split()[1]) for line in open("/proc/net/snmp6") if "OutNoRoutes" in line)
    if count:
        write(f"{count} packets without a route")

sys.addaudithook(note)
if os.environ.get("FERJAX_TEST_NAMESPACE"):
    atexit.register(note_packets)
"""
# Starts a program without any network, as every user may on most Linux systems.
UNSHARE = ("unshare", "--map-root-user", "--net")


@pytest.fixture
def network_watch(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Path]:
    """Returns variables that cut Python processes off the network, and the log of their tries.

    FERJAX_TEST_ALLOWED: hosts that are allowed all the same, comma-separated.
    """
    folder = tmp_path_factory.mktemp("watch")
    (folder / "sitecustomize.py").write_text(NETWORK_WATCH)
    log = folder / "network.log"
    path = os.pathsep.join((str(folder), str(ROOT)))
    return {"PYTHONPATH": path, "FERJAX_TEST_NETWORK": str(log)}, log


@pytest.fixture(scope="session")
def namespace() -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns words before a command, and variables, with which it has no network at all.

    Both are empty where the system does not allow that.
    """
    try:
        subprocess.run([*UNSHARE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return (), {}
    return UNSHARE, {"FERJAX_TEST_NAMESPACE": "1"}


@pytest.fixture
def commands(tmp_path: Path) -> Callable[..., list[tuple[int, str, str]]]:
    """Returns a function (entry point, lists of arguments) → each one's status, output, errors.

    `before` are words before the command, and all other keywords are variables. All commands run in
    one process with `tmp_path` as its folder: a process takes seconds to start.
    """

    def call(
        name: str, *given: Sequence[str], before: Sequence[str] = (), **environment: str
    ) -> list[tuple[int, str, str]]:
        done = subprocess.run(
            [*before, sys.executable, "-c", COMMANDS, name, json.dumps(given)],
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
