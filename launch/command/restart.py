"""--restarts: run a command again with --resume after a crash or the loss of another process."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from absl import flags

from ferjax.runtime.child_processes import CHILD, end_with_parent

# Exit statuses after which there is no restart: finished, user's error, or asked to end.
_FINAL = {0, 1, 2, 130, 143, -signal.SIGINT, -signal.SIGTERM}

flags.DEFINE_integer(
    "restarts", 0, "How often to restart from the last checkpoint after a crash or a lost process."
)


def restart_after_crashes(module: str) -> None:
    """Runs the command of this process in a child process and restarts it after each crash.

    Exits with the status of the child. Returns at once if --restarts is 0, and in the child.

    Args:
      module: the module that `python -m` started.
    """
    if not end_with_parent() and (restarts := flags.FLAGS.restarts):
        sys.exit(_supervise([sys.executable, "-m", module, *sys.argv[1:]], restarts))


def _supervise(command: Sequence[str], restarts: int) -> int:
    """Returns the exit status of the last run of the command; the second and later runs resume."""
    status = _run(command)
    for number in range(1, restarts + 1):
        if status in _FINAL:
            break
        restart = f"restarting ({number} of {restarts} restarts)"
        print(f"ended with status {status}: {restart}", file=sys.stderr, flush=True)
        status = _run([*command, "--nooverwrite", "--resume"])
    # The number of a signal becomes the status that a shell reports.
    return 128 - status if status < 0 else status


def _run(command: Sequence[str]) -> int:
    """Runs a command, forwards SIGTERM and SIGHUP to it, and returns its exit status."""
    child = subprocess.Popen(command, env={**os.environ, CHILD: "1"})

    def forward(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    # Ctrl-C on a terminal reaches the child without forwarding.
    handlers = {signal.SIGTERM: forward, signal.SIGHUP: forward, signal.SIGINT: signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
