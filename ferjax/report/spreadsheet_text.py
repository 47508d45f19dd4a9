"""Names of files and classes in csv tables, which people open with spreadsheets."""

# Beginnings of a cell that a spreadsheet computes.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def without_formula(text: str) -> str:
    """Returns a text that spreadsheets show as it is: an apostrophe stands before a formula.

    Names are whatever their sender writes; `=HYPERLINK(...)` would be computed by whoever opens the
    table. `as_before` undoes it.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_before(cell: str) -> str:
    """Returns the text that `without_formula` made a cell of."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
