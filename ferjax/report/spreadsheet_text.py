"""Names of files and classes in csv tables, which people open with spreadsheets."""

# A spreadsheet computes a cell that begins with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def without_formula(text: str) -> str:
    """Returns a text that spreadsheets show unchanged: an apostrophe stands before a formula.

    Names of files and classes come from other people; a spreadsheet would compute a name such as
    `=HYPERLINK(...)` when the table is opened. `as_before` removes the apostrophe.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_before(cell: str) -> str:
    """Returns the original text of a cell that `without_formula` returned."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
