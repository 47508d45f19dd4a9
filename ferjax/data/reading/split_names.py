"""Names of splits in folders and lists, and the name that ferjax gives to each."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ferjax.errors import UserError

# Name of a split, in lower case and without separators → the name in ferjax.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "publictest": "val",  # the names of FER2013
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}


def split_named(name: str) -> str | None:
    """Returns `train`, `val` or `test` for a name like `Training` or `Public Test`, or None."""
    return SPLIT_NAMES.get(re.sub(r"[\s_-]", "", name.lower()))


def one_folder_each(
    root: Path, folders: Iterable[str], split_of: Mapping[str, str]
) -> dict[str, str]:
    """Returns folder → split for the folders found in `root`.

    Args:
      root: the folder that contains them, for the message.
      folders: names of the folders found.
      split_of: folder → split, for every name that such a folder may have.

    Raises:
      UserError: two of them are the same split, such as val/ and valid/.
    """
    folder_of: dict[str, str] = {}
    for folder in folders:
        if (first := folder_of.setdefault(split_of[folder], folder)) != folder:
            raise UserError(
                f"{root}: {first}/ and {folder}/ are both there and mean the same split; remove or "
                "rename one"
            )
    return {folder: split for split, folder in folder_of.items()}
