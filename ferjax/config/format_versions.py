"""The format of what a run leaves on disk, and how that of an older ferjax is read.

1: until November 2026, and not written anywhere. 2: `format` in config.json, in a checkpoint's meta
and in report.json; meta of phases, averages and time.
"""

from collections.abc import Mapping
from typing import Any

from ferjax.errors import UserError

FORMAT = 2
KEY = "format"

# What a checkpoint's meta lacked in format 1, and what that stood for.
_META = {
    "start": None,
    "starts": [0],
    "waited": [0, -1.0],
    "plateau": {},
    "retries": 0,
    "notes": [],
    "averaged": [],
    "spent": {},
    "program": {},
}


def upgraded_config(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Returns the fields of a config.json of any format as this version's.

    Raises:
      UserError: it is of a later format.
    """
    values = dict(values)
    old = _format(values, where) == 1
    if old and values.get("normalization") == "unit" and not values.get("pretrained"):
        # It was the default then; None stands for the same now.
        values["normalization"] = None
    return values


def upgraded_meta(meta: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Returns a checkpoint's meta of any format as this version's.

    Raises:
      UserError: it is of a later format.
    """
    meta = dict(meta)
    return {**_META, **meta} if _format(meta, where) == 1 else meta


def _format(values: dict[str, Any], where: str) -> int:
    """Takes the format out of what was read, and returns it."""
    found = values.pop(KEY, 1)
    if not isinstance(found, int) or found > FORMAT:
        raise UserError(
            f"{where}: format {found} is of a later ferjax; this one reads 1 to {FORMAT}. Install"
            " the version that wrote it, or a later one."
        )
    return found
