"""Class list of a user's own labels; numbered classes get their names from classes.txt."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ferjax.config.given_files import check_text_file
from ferjax.data.reading.spreadsheet_cells import is_number, whole_number
from ferjax.emotions import EMOTIONS, canonical_name, ordered_classes
from ferjax.errors import UserError

CLASSES_FILE = "classes.txt"
# A name begins with a letter, so that `1 -> happy` and `1.5 happy` are refused.
_NAMED_PATTERN = re.compile(r"([0-9]{1,9})[\s.,:;=)-]+([^\W\d_].*)")


def class_list(
    counts: Mapping[str, int], root: Path
) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...]]:
    """Returns the class list, the index in it of each label, and notes on choices that were made.

    Labels that are numbers, also as spreadsheets write them (`3.0`), are looked up in classes.txt.
    Either every line of it is `number name`, also separated as in `1. name`, `1) name`, `1;name` or
    `1 - name`; or every line is a name without digits, and lines count from 0.

    Args:
      counts: L different labels, as the user wrote them → number of images.
      root: the folder in which classes.txt may be.

    Returns:
      (K class names, emotions in canonical order and then the others; int32 [L]; notes on labels
      that are merged and on classes that are no emotions).

    Raises:
      UserError: a number that is not whole or has no name in classes.txt, or the file is not
        understood.
    """
    fraction = next((t for t in counts if is_number(t) and whole_number(t) is None), None)
    if fraction is not None:
        raise UserError(
            f"{root}: the class {fraction[:60]} is a number, but no whole one; correct it"
        )
    number_of = {label: n for label in counts if (n := whole_number(label)) is not None}
    names = _read_classes_txt(root / CLASSES_FILE, sorted({*number_of.values()}))
    class_of = {
        label: canonical_name(names[number_of[label]] if label in number_of else label)
        for label in counts
    }
    classes = ordered_classes(class_of.values())
    notes = _merged_note(class_of), _no_emotion_note(class_of, counts)
    indices = np.array([classes.index(class_of[label]) for label in counts], np.int32)
    return classes, indices, tuple(filter(None, notes))


def _merged_note(class_of: Mapping[str, str]) -> str:
    """Returns a note on labels that are one class, or an empty text."""
    labels_of: dict[str, list[str]] = {}
    for label, name in class_of.items():
        labels_of.setdefault(name, []).append(label)
    merged = [
        f"{' and '.join(sorted(labels))} are one class, {name}"
        for name, labels in labels_of.items()
        if len(labels) > 1
    ]
    return "; ".join(merged)


def _no_emotion_note(class_of: Mapping[str, str], counts: Mapping[str, int]) -> str:
    """Returns a note on classes that are no emotions, or an empty text."""
    class_texts = [
        f"{label} ({counts[label]:,} images)"
        for label, name in class_of.items()
        if name not in EMOTIONS
    ]
    if not class_texts:
        return ""
    shown = ", ".join(class_texts[:8]) + f" and {len(class_texts) - 8:,} more" * (
        len(class_texts) > 8
    )
    return f"no emotions, but classes like the others: {shown}; move away what should be none"


def _read_classes_txt(path: Path, numbers: list[int]) -> dict[int, str]:
    """Reads number → name from classes.txt; it is not opened if there are no numbers."""
    if not numbers:
        return {}
    if not path.is_file():
        raise UserError(
            f"{path.parent}: the classes are numbers ({', '.join(map(str, numbers[:10]))}), whose "
            f"meaning differs between data sets. Name them in {path}: one line `number name` for "
            "each"
        )
    names: dict[int, str] = {}
    check_text_file(path, "Write one line for each class.")
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(
            f"{path}: cannot be read ({reason}); expected a text file with one line `number name` "
            "for each class"
        ) from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = [_NAMED_PATTERN.fullmatch(line) for line in lines]
    for line, match in zip(lines, matches, strict=True):
        # A number that is not understood is not ignored: it may differ from that of the line.
        if not match and (any(matches) or re.search(r"[\d\0]", line)):
            raise UserError(
                f"{path}: {line[:60]!r} has no number in front of its name; expected lines such as "
                "`3 sadness`, or only names, which have no digits"
            )
    for index, (line, match) in enumerate(zip(lines, matches, strict=True)):
        number, name = (int(match[1]), match[2]) if match else (index, line)
        if number in names:
            raise UserError(f"{path}: {number} is named twice; remove a line")
        names[number] = name
    unnamed = [number for number in numbers if number not in names]
    if unnamed:
        raise UserError(
            f"{path}: no name for {', '.join(map(str, unnamed[:10]))}; it names "
            f"{', '.join(map(str, names)) or 'nothing'}. Add a line `number name` for each"
        )
    return names
