"""Names of files in csv tables, which people open with spreadsheets."""

# Beginnings of a cell that a spreadsheet computes.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def without_formula(text: str) -> str:
    """Returns a text that spreadsheets show as it is: an apostrophe stands before a formula.

    Names of files are whatever their sender writes; `=HYPERLINK(...)` would be computed by whoever
    opens the table. Only tables that no program of ferjax reads again are written so.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
