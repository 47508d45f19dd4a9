"""Markdown tables, and how numbers are printed in them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_ESCAPES = {
    "\\": "\\\\",
    "|": "\\|",
    "*": "\\*",
    "`": "\\`",
    "<": "&lt;",
    "\r": "",
    "\n": "<br>",
}


def escape(text: object) -> str:
    """Returns `text` so that Markdown prints it as it is, on one line, also inside a table."""
    return "".join(_ESCAPES.get(character, character) for character in str(text).strip())


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int = 1) -> str:
    """Returns a Markdown table of finished cells.

    Args:
      header: the column names.
      rows: as many cells each; the caller has escaped what is not its own.
      numbers_from: the first column that is aligned to the right.
    """
    rules = [":--" if k < numbers_from else "--:" for k in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rules, *rows])


def key_value_table(pairs: Mapping[str, Any], header: tuple[str, str]) -> str:
    """Returns a two-column table; a list becomes one line of the cell per item."""
    rows = [(escape(key), _lines(value)) for key, value in pairs.items()]
    return table(header, rows, numbers_from=2)


def bold(cells: Iterable[str]) -> list[str]:
    """Returns the cells in bold."""
    return [f"**{cell}**" if cell else cell for cell in cells]


def closed(title: str, content: str) -> str:
    """Returns Markdown in a block that is closed until it is clicked."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def percentage(rate: float | None, digits: int = 2) -> str:
    """Returns a rate in [0, 1] as a percentage, or a dash where there is none."""
    return "–" if rate is None else f"{100 * rate:.{digits}f} %"


def decimal(value: float | None, digits: int = 4) -> str:
    """Returns a number with a fixed count of digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _lines(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "<br>".join(escape(item) for item in value) or "–"
    return escape(value)
