"""What spreadsheets and data frames write into a cell for a whole number, and for no value."""

import re

_WHOLE = re.compile(r"([+-]?[0-9]+)(?:[.,]0*)?")
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+[.,]?(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_NO_VALUE = frozenset(
    {"", "nan", "none", "null", "nil", "na", "n/a", "#n/a", "<na>", "nat", "-", "--", "–", "—", "?"}
)


def whole_number(cell: str) -> int | None:
    """Returns 3 for `3`, `03`, `3.0` and `3,0`; None for anything else."""
    match = _WHOLE.fullmatch(cell.strip())
    return int(match[1]) if match else None


def is_number(cell: str) -> bool:
    """Returns whether a cell holds a number, whole or not."""
    return bool(_NUMBER.fullmatch(cell.strip()))


def is_blank(cell: str) -> bool:
    """Returns whether a cell holds no value: empty, `nan`, `None`, `null`, `NA`, `-` and others."""
    return cell.strip().lower() in _NO_VALUE
