"""Child processes: the last lines of a failed one; a child that ends with its parent."""

import contextlib
import ctypes
import os
import signal
import subprocess

# Environment variable that marks a child that ends with its parent.
CHILD = "FERJAX_SUPERVISED"
_SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl
_LAST_LINES = 12


def last_lines(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the last lines that a process printed, 12 at most.

    Lines of standard error come last, because most programs print the reason of a failure there.

    Args:
      done: a finished process, whose two streams were captured as text.
    """
    streams = (done.stdout.strip(), done.stderr.strip())
    lines = "\n".join(filter(None, streams)).splitlines()
    return "\n".join(lines[-_LAST_LINES:])


def end_with_parent() -> bool:
    """Lets Linux send SIGTERM to this process when its parent dies; does nothing elsewhere.

    Returns:
      Whether this process is a child that ends with its parent.
    """
    if not os.environ.get(CHILD):
        return False
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    return True
