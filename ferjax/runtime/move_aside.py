"""`--overwrite`: a result that is in the way keeps its content under another name."""

import itertools
import os
from pathlib import Path

from ferjax.errors import UserError


def move_aside(path: Path) -> Path:
    """Renames a file or folder to the first free of NAME.old-1, NAME.old-2, ...; returns its path.

    A link stays in place: what it points to is renamed.

    Raises:
      UserError: it cannot be renamed.
    """
    path = path.resolve()
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
    return free
