"""Child processes: the last lines of one that failed; one that ends when its parent is killed."""

import contextlib
import ctypes
import os
import signal
import subprocess

# In the environment of such a child.
CHILD = "FERJAX_SUPERVISED"
_SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl
_LAST_LINES = 12


def last_lines(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the last lines that a process printed, 12 at most.

    Those of standard error come last, where most programs print why they end.

    Args:
      done: a finished process, whose two streams were captured as text.
    """
    streams = (done.stdout.strip(), done.stderr.strip())
    lines = "\n".join(filter(None, streams)).splitlines()
    return "\n".join(lines[-_LAST_LINES:])


def end_with_parent() -> bool:
    """Lets Linux send SIGTERM to this process when its parent dies; does nothing elsewhere.

    Returns:
      Whether this process is such a child.
    """
    if not os.environ.get(CHILD):
        return False
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    return True
