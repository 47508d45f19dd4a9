"""Format versions of files in a run directory, and upgrades from older formats.

Format 1: until November 2026; the files contain no version. Format 2: `format` in config.json, in
the meta of a checkpoint, in report.json and splits.json; the meta also has phases, averages and
times.
"""

from collections.abc import Mapping
from typing import Any

from ferjax.errors import UserError

FORMAT = 2
KEY = "format"

# Key that the meta of a checkpoint did not have in format 1 → the value of such a checkpoint.
_ADDED_TO_META = {
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


def upgrade_config(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Returns the fields of a config.json of any format in the present format.

    Args:
      values: the content of config.json.
      where: the file, for the error.

    Raises:
      UserError: the format is newer than this version.
    """
    values = dict(values)
    is_format_1 = _pop_format(values, where) == 1
    if is_format_1 and values.get("normalization") == "unit" and not values.get("pretrained"):
        # "unit" was the default in format 1; the default is None now and means the same.
        values["normalization"] = None
    return values


def upgrade_meta(meta: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Returns the meta of a checkpoint of any format in the present format.

    Args:
      meta: JSON values from the checkpoint.
      where: the checkpoint, for the error.

    Raises:
      UserError: the format is newer than this version.
    """
    meta = dict(meta)
    return {**_ADDED_TO_META, **meta} if _pop_format(meta, where) == 1 else meta


def _pop_format(values: dict[str, Any], where: str) -> int:
    """Removes the format from the values and returns it."""
    check_format(values, where)
    return values.pop(KEY, 1)


def check_format(values: Mapping[str, Any], where: str) -> None:
    """Raises `UserError` if the format of JSON values, read from `where`, is of a later version."""
    version = values.get(KEY, 1)
    if not isinstance(version, int) or version > FORMAT:
        raise UserError(
            f"{where}: format {version} is of a later ferjax; this one reads 1 to {FORMAT}. Install"
            " the version that wrote it, or a later one."
        )
