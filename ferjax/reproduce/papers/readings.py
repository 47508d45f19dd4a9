"""Names and values of the experiments that try other values of a setting which is not printed."""

import re
from collections.abc import Mapping
from typing import Any

# Field → value in words, such as `0.4` or `last stage` → the settings that it changes.
Readings = Mapping[str, Mapping[str, Mapping[str, Any]]]


def reading_name(field: str, value: str) -> str:
    """Returns the name of the experiment that tries a value: `stochastic_depth_0_4`."""
    return re.sub(r"[ .]", "_", f"{field}_{value}")


def tried_values(
    ours: str, experiment: str, field: str, readings: Readings
) -> tuple[tuple[str, str], ...]:
    """Returns (value in words, experiment) of our value of a field, and of each other value.

    Args:
      ours: our value in words.
      experiment: the experiment with our value.
      field: a field of `readings`.
      readings: the other values.
    """
    others = ((value, reading_name(field, value)) for value in readings[field])
    return ((ours, experiment), *others)
