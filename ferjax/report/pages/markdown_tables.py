"""Markdown tables: escaping, alignment, collapsed blocks, percentages and decimals."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_ESCAPES = {
    "\\": "\\\\",
    "|": "\\|",
    "*": "\\*",
    "_": "\\_",
    "`": "\\`",
    "[": "\\[",
    "]": "\\]",
    "<": "&lt;",
    "&": "&amp;",
    "\r": "",
    "\n": "<br>",
}
# Characters that are markup. An underscore is markup unless it follows a letter or digit, an
# ampersand only where it begins a character reference.
_MARKUP = re.compile(r"[\\|*`<\r\n\[\]]|(?<![^\W_])_|&(?=#?\w+;)")


def escape(text: object) -> str:
    """Returns `text` escaped: Markdown shows it unchanged and on one line, also in a table."""
    return _MARKUP.sub(lambda match: _ESCAPES[match[0]], str(text).strip())


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int = 1) -> str:
    """Returns a Markdown table.

    Args:
      header: the column names.
      rows: one cell for each column, already escaped by the caller.
      numbers_from: index of the first column that is aligned to the right.
    """
    alignment = [":--" if k < numbers_from else "--:" for k in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, alignment, *rows])


def key_value_table(pairs: Mapping[str, Any], header: tuple[str, str]) -> str:
    """Returns a two-column table; the items of a list become the lines of one cell."""
    rows = [(escape(key), _lines(value)) for key, value in pairs.items()]
    return table(header, rows, numbers_from=2)


def bold(cells: Iterable[str]) -> list[str]:
    """Returns the cells in bold."""
    return [f"**{cell}**" if cell else cell for cell in cells]


def collapsed(title: str, content: str) -> str:
    """Returns Markdown in a block that is collapsed until the reader clicks on it."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def percentage(rate: float | None, digits: int = 2) -> str:
    """Returns a rate in [0, 1] as a percentage, or a dash for None."""
    return "–" if rate is None else f"{100 * rate:.{digits}f} %"


def decimal(value: float | None, digits: int = 4) -> str:
    """Returns a number with a fixed number of decimals, or a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 4, scale: float = 1) -> str:
    """Returns the bounds of an interval in brackets after a number, or an empty text for None.

    Args:
      low: lower bound, or None.
      high: upper bound, or None.
      digits: decimals.
      scale: factor of the bounds, 100 for percentages.
    """
    if low is None or high is None:
        return ""
    return f" ({scale * low:.{digits}f} to {scale * high:.{digits}f})"


def _lines(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "<br>".join(escape(item) for item in value) or "–"
    return escape(value)
