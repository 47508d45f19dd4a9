"""A command that starts again from its last checkpoint when it crashes, or when a peer is lost."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from absl import flags

_SUPERVISED = "FERJAX_SUPERVISED"
# Done, refused, or asked to end: to start again would not help, or is not wanted.
_FINAL = {0, 1, 2, 130, 143, -signal.SIGINT, -signal.SIGTERM}
_SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl

flags.DEFINE_integer(
    "restarts", 0, "How often to start again from the last checkpoint after a crash or a lost peer."
)


def restart_after_crashes(module: str) -> None:
    """Runs this process's own command in a child, again after each crash, and exits as it did.

    Returns at once where --restarts is 0, and in the child.

    Args:
      module: what `python -m` started.
    """
    if os.environ.get(_SUPERVISED):
        _end_with_parent()
    elif restarts := flags.FLAGS.restarts:
        sys.exit(_supervise([sys.executable, "-m", module, *sys.argv[1:]], restarts))


def _supervise(command: Sequence[str], restarts: int) -> int:
    """Returns the exit status of the command's last run; a second and later run resumes."""
    status = _run(command)
    for number in range(1, restarts + 1):
        if status in _FINAL:
            break
        again = f"starting again ({number} of {restarts} restarts)"
        print(f"ended with status {status}: {again}", file=sys.stderr, flush=True)
        status = _run([*command, "--resume"])
    # A signal's number becomes the status that a shell gives it.
    return 128 - status if status < 0 else status


def _run(command: Sequence[str]) -> int:
    """Returns the status of a command that is told to end when this process is."""
    child = subprocess.Popen(command, env={**os.environ, _SUPERVISED: "1"})

    def tell(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    # A terminal's Ctrl-C reaches the child by itself.
    handlers = {signal.SIGTERM: tell, signal.SIGHUP: tell, signal.SIGINT: signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """Has the system end this process, by SIGTERM, when its parent dies; only Linux can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
