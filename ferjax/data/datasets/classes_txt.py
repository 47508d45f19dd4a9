"""Class list of a user's own labels; numbered classes get their names from classes.txt."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ferjax.emotions import canonical_name, ordered_classes
from ferjax.errors import UserError

_CLASSES_FILE = "classes.txt"
_NUMBER_PATTERN = re.compile(r"[0-9]+")
_NAMED_PATTERN = re.compile(r"([0-9]+)[\s,:=]+(\S.*)")


def class_list(labels: Sequence[str], root: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Returns the class list, and the index in it of each label.

    Labels that are numbers are looked up in classes.txt. Its lines are all `number name`, or all a
    name only, counted from 0.

    Args:
      labels: L different labels, as the user wrote them.
      root: the folder in which classes.txt may be.

    Returns:
      (K class names, emotions in canonical order and then the others; int32 [L]).

    Raises:
      UserError: a number has no name in classes.txt, or the file is not understood.
    """
    numbers = sorted((label for label in labels if _NUMBER_PATTERN.fullmatch(label)), key=int)
    names = _read_classes_txt(root / _CLASSES_FILE, numbers) if numbers else {}
    class_names = [
        canonical_name(names.get(int(label), label) if names else label) for label in labels
    ]
    classes = ordered_classes(class_names)
    return classes, np.array([classes.index(name) for name in class_names], np.int32)


def _read_classes_txt(path: Path, numbers: list[str]) -> dict[int, str]:
    """Reads number → name from classes.txt."""
    if not path.is_file():
        raise UserError(
            f"{path.parent}: the classes are numbers ({', '.join(numbers[:10])}), whose meaning "
            f"differs between data sets. Name them in {path}: one line `number name` for each"
        )
    names: dict[int, str] = {}
    text = path.read_text("utf-8-sig", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = [_NAMED_PATTERN.fullmatch(line) for line in lines]
    if any(matches) and not all(matches):
        bad = lines[[bool(match) for match in matches].index(False)]
        raise UserError(f"{path}: {bad[:60]!r} has no number, other lines do; expected `3 sadness`")
    for index, (line, match) in enumerate(zip(lines, matches, strict=True)):
        number, name = (int(match[1]), match[2]) if match else (index, line)
        if number in names:
            raise UserError(f"{path}: {number} is named twice; remove a line")
        names[number] = name
    unnamed = [number for number in numbers if int(number) not in names]
    if unnamed:
        raise UserError(
            f"{path}: no name for {', '.join(unnamed[:10])}; it names "
            f"{', '.join(map(str, names)) or 'nothing'}. Add a line `number name` for each"
        )
    return names
