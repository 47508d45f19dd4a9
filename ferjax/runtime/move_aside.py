"""`--overwrite`: a result that is in the way keeps its content under another name."""

import itertools
import os
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.progress_lines import say


def move_aside(path: Path, what: str = "result") -> Path:
    """Renames a file or folder to the first free of NAME.old-1, NAME.old-2, ..., and says so.

    A link stays in place: what it points to is renamed.

    Args:
      path: the file or folder; it exists.
      what: what it is, for the line that is printed.

    Returns:
      The new path.

    Raises:
      UserError: it cannot be renamed.
    """
    named, path = path, path.resolve()
    names = (path.with_name(f"{path.name}.old-{number}") for number in itertools.count(1))
    free = next(name for name in names if not os.path.lexists(name))
    try:
        path.rename(free)
        if free.is_dir():
            # A link to a folder would otherwise point to nothing.
            path.mkdir()
    except OSError as error:
        raise UserError(
            f"--overwrite: {path} cannot be moved to {free.name}: {error.strerror}. Nothing was"
            " written; give another folder."
        ) from None
    say(f"{named}: the earlier {what} was moved to {free}")
    return free
