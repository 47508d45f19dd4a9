"""Reads whole numbers and empty values as spreadsheets and data frames write them into cells."""

import re
import unicodedata

# No label or count has more digits, and Python refuses to convert more than 4,300.
_WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:[.,]0*)?")
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+[.,]?(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_NO_VALUE = frozenset(
    {"", "nan", "none", "null", "nil", "na", "n/a", "<na>", "nat", "-", "--", "–", "—", "?"}
    | {"missing", "-nan", "inf", "+inf", "-inf", "infinity", "-infinity"}
    # The errors of formulas.
    | {"#n/a", "#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!", "#error!", "#spill!"}
)


def whole_number(cell: str) -> int | None:
    """Returns 3 for `3`, `03`, `3.0`, `3,0` and `'3`; None for other text or over 18 digits."""
    match = _WHOLE.fullmatch(_text(cell))
    return int(match[1]) if match else None


def is_number(cell: str) -> bool:
    """Returns whether a cell holds a number, whole or not."""
    return bool(_NUMBER.fullmatch(_text(cell)))


def is_blank(cell: str) -> bool:
    """Returns whether a cell holds no value: empty, `nan`, `None`, `-`, `#REF!` and others."""
    return _text(cell).lower() in _NO_VALUE


def _text(cell: str) -> str:
    """Returns a cell with ASCII digits, without the apostrophe that marks a number as text."""
    return unicodedata.normalize("NFKC", cell).strip().removeprefix("'")
