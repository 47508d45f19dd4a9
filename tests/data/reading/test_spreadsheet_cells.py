"""Numbers and empty cells as spreadsheets and data frames write them."""

import numpy as np
import pytest

from ferjax.data.reading.split_names import split_named
from ferjax.data.reading.spreadsheet_cells import is_blank, is_number, whole_number


@pytest.mark.parametrize(
    "cell",
    ["3", "03", "+3", "3.0", "3.000", "3,0", "3.", " 3 ", "'3", "\uff13", "\uff13\uff0e\uff10"],
)
def test_three(cell: str) -> None:
    assert whole_number(cell) == 3
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["3.5", "3,25", ".5", "1e3", "-0.1"])
def test_numbers_that_are_not_whole_in_writing(cell: str) -> None:
    assert whole_number(cell) is None
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["", "happy", "3 sad", "nan", "1.2.3", "inf", "e3"])
def test_no_numbers(cell: str) -> None:
    assert whole_number(cell) is None
    assert not is_number(cell)


@pytest.mark.parametrize(
    "cell",
    [
        *("", " ", str(np.nan), "NaN", str(None), "NULL", "NA", "N/A", "<NA>", "-", "#N/A", "?"),
        *("#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", str(np.inf), "-inf", "Missing", "'"),
    ],
)
def test_blank(cell: str) -> None:
    assert is_blank(cell)


@pytest.mark.parametrize("cell", ["happy", "unknown", "0", "no", "nana", "'0", "#happy"])
def test_not_blank(cell: str) -> None:
    assert not is_blank(cell)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Training", "train"),
        ("PublicTest", "val"),
        ("private_test", "test"),
        ("Public Test", "val"),
        ("VALID", "val"),
        ("evaluation", None),
        ("", None),
    ],
)
def test_split_names(name: str, split: str | None) -> None:
    assert split_named(name) == split


def test_python_does_not_convert_more_than_4300_digits() -> None:
    assert whole_number("3" * 5000) is None
    assert whole_number("9" * 18) == 10**18 - 1
    assert is_number("3" * 5000)
