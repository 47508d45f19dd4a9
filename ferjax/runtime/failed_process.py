"""What a process that failed has printed, for the message of the error."""

import subprocess

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
