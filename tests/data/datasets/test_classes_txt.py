"""The lines of classes.txt: a number is never ignored, and the file is text."""

from pathlib import Path

import pytest

from ferjax.data.datasets.classes_txt import class_list
from ferjax.errors import UserError

NAMES = ("neutral", "happiness", "sadness")
COUNTS = {"1": 5, "2": 6, "3": 7}


def classes_of_numbers(root: Path) -> list[str]:
    """Returns the class of each of the labels 1, 2 and 3."""
    classes, indexes, _ = class_list(COUNTS, root)
    return [classes[index] for index in indexes]


@pytest.mark.parametrize(
    "separator",
    [" ", "  ", "\t", ",", ", ", ":", ": ", "=", " = ", ".", ". ", ")", ") ", ";", "-", " - "],
)
def test_separators_of_number_and_name(separator: str, tmp_path: Path) -> None:
    lines = [f"{number}{separator}{name}" for number, name in enumerate(NAMES, start=1)]
    (tmp_path / "classes.txt").write_text("\n".join(lines))
    assert classes_of_numbers(tmp_path) == list(NAMES)


@pytest.mark.parametrize(
    "line",
    [
        "{number} -> {name}",
        "{number}{name}",
        "({number}) {name}",
        "#{number} {name}",
        '"{number}": "{name}"',
        "{name} {number}",
        "{name},{number}",
        "{number}.5 {name}",
        "{number}",
        "{number}-{number}",
        "1234567890{number} {name}",
    ],
)
def test_other_lines_with_digits_are_not_taken_for_names(line: str, tmp_path: Path) -> None:
    """Names count from 0, so that such lines would give every label the next class."""
    lines = [line.format(number=number, name=name) for number, name in enumerate(NAMES, start=1)]
    (tmp_path / "classes.txt").write_text("\n".join([*lines, lines[0]]))
    with pytest.raises(UserError, match=r"classes\.txt: .* has no number in front of its name"):
        classes_of_numbers(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_another_encoding(encoding: str, tmp_path: Path) -> None:
    """PowerShell's `>` writes UTF-16."""
    (tmp_path / "classes.txt").write_bytes("müde\nsad\nhappy\nangry\n".encode(encoding))
    with pytest.raises(UserError, match=r"classes\.txt: .*(not UTF-8 text|has no number)"):
        classes_of_numbers(tmp_path)
