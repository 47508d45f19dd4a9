"""Progress lines of a command: above its progress bars, in a log, in a notebook."""

import sys

from ferjax.runtime.processes import is_first
from ferjax.runtime.progress_bar import tqdm


def say(line: str, shown: bool = True) -> None:
    """Prints a line at once to standard output, in process 0 only.

    Args:
      line: the text.
      shown: whether to print it (`--progress`).
    """
    if shown and is_first():
        # On a terminal the bars are removed, the line is printed, and the bars are drawn below it.
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
