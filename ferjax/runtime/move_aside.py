"""`--overwrite`: an existing result is renamed, and its content is kept."""

import itertools
import os
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.progress_lines import say


def move_aside(path: Path, what: str = "result") -> Path:
    """Renames a file or folder to the first free name of NAME.old-1, NAME.old-2, ...; prints it.

    A link stays in place; its target is renamed.

    Args:
      path: the existing file or folder.
      what: the kind of result, for the line that is printed.

    Returns:
      The new path.

    Raises:
      UserError: it cannot be renamed.
    """
    given_path, path = path, path.resolve()
    names = (path.with_name(f"{path.name}.old-{number}") for number in itertools.count(1))
    new_path = next(name for name in names if not os.path.lexists(name))
    try:
        path.rename(new_path)
        if new_path.is_dir():
            # A link to a folder would otherwise point to nothing.
            path.mkdir()
    except OSError as error:
        raise UserError(
            f"--overwrite: {path} cannot be moved to {new_path.name}: {error.strerror}. Nothing was"
            " written; give another folder."
        ) from None
    say(f"{given_path}: the earlier {what} was moved to {new_path}")
    return new_path
