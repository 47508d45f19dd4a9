"""Checks the types of a report's values; a value that ferjax never writes is a `ValueError`."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def object_of(value: Any) -> Mapping[str, Any]:
    """Returns a JSON object; raises `ValueError` for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"{_short(value)} where an object is expected")
    return value


def number(value: Any) -> float:
    """Returns a finite number; raises `ValueError` for texts, booleans, NaN and all else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{_short(value)} where a number is expected")
    return value


def number_or_none(value: Any) -> float | None:
    """Returns a number as `number` does, or None where a report has none."""
    return None if value is None else number(value)


def count(value: Any) -> int:
    """Returns a whole number of 0 or more; raises `ValueError` for anything else."""
    if number(value) < 0 or int(value) != value:
        raise ValueError(f"{_short(value)} where a whole number is expected")
    return int(value)


def day_of(value: Any) -> str:
    """Returns the day of a time in ISO 8601, in UTC, or an empty text for None.

    Raises:
      TypeError: the value is no text.
      ValueError: the text is no time.
    """
    if value is None:
        return ""
    return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d")


def texts(value: Any) -> tuple[str, ...]:
    """Returns the entries of a list as texts; raises `ValueError` for anything else."""
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{_short(value)} where a list is expected")
    return tuple(map(str, value))


def count_matrix(value: Any) -> list[list[int]]:
    """Returns a matrix of counts with rows of one length; raises `ValueError` for all else."""
    rows = [[count(cell) for cell in row] for row in value]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("a confusion matrix with rows of different lengths")
    return rows


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
