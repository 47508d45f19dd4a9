"""Names of splits in folders and lists, and the name that ferjax gives to each."""

import re

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
