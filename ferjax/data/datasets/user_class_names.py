"""From the names that a user gave classes to the class list; numbers are never guessed at."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ferjax.emotions import canonical_name, ordered_classes
from ferjax.errors import UserError

_CLASSES_FILE = "classes.txt"
_NUMBER = re.compile(r"[0-9]+")
_NAMED = re.compile(r"([0-9]+)[\s,:=]+(\S.*)")


def class_list(labels: Sequence[str], root: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Returns the class list, and for each label as given its place in it.

    Labels that are numbers are looked up in classes.txt, in which each line is `number name`, or
    each a name alone, counted from 0.

    Args:
      labels: L labels as given, without repetition.
      root: the folder in which classes.txt may lie.

    Returns:
      (K class names, emotions in canonical order and then the others; int32 [L]).

    Raises:
      UserError: numbers without names.
    """
    numbers = sorted((label for label in labels if _NUMBER.fullmatch(label)), key=int)
    names = _numbered(root / _CLASSES_FILE, numbers) if numbers else {}
    named = [canonical_name(names.get(int(label), label) if names else label) for label in labels]
    classes = ordered_classes(named)
    return classes, np.array([classes.index(name) for name in named], np.int32)


def _numbered(path: Path, numbers: list[str]) -> dict[int, str]:
    """Returns number → name as classes.txt has it."""
    if not path.is_file():
        raise UserError(
            f"{path.parent}: the classes are numbers ({', '.join(numbers[:10])}), whose meaning "
            f"differs between data sets. Name them in {path}: one line `number name` for each"
        )
    names: dict[int, str] = {}
    text = path.read_text("utf-8-sig", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = [_NAMED.fullmatch(line) for line in lines]
    if any(matches) and not all(matches):
        bad = lines[[bool(match) for match in matches].index(False)]
        raise UserError(f"{path}: {bad[:60]!r} has no number, other lines do; expected `3 sadness`")
    for place, (line, match) in enumerate(zip(lines, matches, strict=True)):
        number, name = (int(match[1]), match[2]) if match else (place, line)
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
