import pytest

from ferjax.report.spreadsheet_text import without_formula


@pytest.mark.parametrize("name", ["=SUM(A1)", "+1", "-1+1.png", "@a", "\ta.png", "\ra.png"])
def test_a_formula_becomes_text(name: str) -> None:
    assert without_formula(name) == f"'{name}"


@pytest.mark.parametrize("name", ["", "a=b.png", "faces/-1.png", "'=a", " =a", "ünï.png"])
def test_other_names_stay(name: str) -> None:
    assert without_formula(name) == name
