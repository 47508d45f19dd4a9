"""Converts the paths in a list to this system: Windows separators, `~`, a leading `./`."""

import os
import re
from pathlib import Path

from ferjax.errors import UserError

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_HERE = re.compile(r"^(?:\./+)+")


def path_on_this_system(name: str, folder: Path, where: str) -> str:
    r"""Returns a path from a list with this system's separators.

    A backslash is a separator, unless a file with it in its name exists (not on Windows).

    Args:
      name: the path, relative to `folder` or absolute.
      folder: the folder of the list.
      where: the line of the list, for messages.

    Raises:
      UserError: a path with a drive letter, on a system without them.
    """
    if os.name != "nt" and _DRIVE.match(name):
        raise UserError(
            f"{where}: {name!r} is a path on another computer. Write paths relative to the list's "
            f"folder, {folder}"
        )
    if "\\" in name and not os.path.lexists(folder / name):
        name = name.replace("\\", "/")
    if name.startswith("~/"):
        name = os.path.expanduser(name)
    return _HERE.sub("", name)
