"""A child process that is to end when its parent is killed, and does not find that out itself."""

import contextlib
import ctypes
import os
import signal

# In the environment of such a child.
CHILD = "FERJAX_SUPERVISED"
_SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl


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
