"""Names with numbers in them: `layer{s}.{b}.conv{i}.weight` ↔ `stage{s}_block{b}/conv{i}/kernel`.

A field is `{name}`, a whole number; `{name-1}` or `{name+1}`, that number moved; `{name:letter}`,
that number as a letter, 0 = a. Two templates of the same fields translate into each other.
"""

import re
from functools import cache

_FIELD = re.compile(r"\{(\w+)([+-]\d+)?(:letter)?\}")


@cache
def _compiled(template: str) -> tuple[re.Pattern[str], tuple[tuple[str, int, bool], ...]]:
    """Returns the pattern of a template, and of each field its name, offset, whether a letter."""
    # `split` yields the text between fields and, after each, the field's three groups.
    parts = _FIELD.split(template)
    fields = tuple(
        (name, int(offset or 0), bool(letter))
        for name, offset, letter in zip(parts[1::4], parts[2::4], parts[3::4], strict=True)
    )
    pattern = re.escape(parts[0])
    for (_, _, letter), text in zip(fields, parts[4::4], strict=True):
        pattern += ("([a-z])" if letter else r"(0|[1-9]\d*)") + re.escape(text)
    return re.compile(pattern), fields


def parse(template: str, text: str) -> dict[str, int] | None:
    """Returns the fields' numbers where the whole text fits the template, else None."""
    pattern, fields = _compiled(template)
    found = pattern.fullmatch(text)
    if not found:
        return None
    numbers: dict[str, int] = {}
    for (name, offset, letter), value in zip(fields, found.groups(), strict=True):
        number = (ord(value) - ord("a") if letter else int(value)) - offset
        if number < 0 or numbers.setdefault(name, number) != number:
            return None
    return numbers


def fill(template: str, numbers: dict[str, int]) -> str:
    """Returns the template with its fields filled in."""

    def written(field: re.Match[str]) -> str:
        name, offset, letter = field.groups()
        number = numbers[name] + int(offset or 0)
        return chr(ord("a") + number) if letter else str(number)

    return _FIELD.sub(written, template)


def translate(template: str, other: str, text: str) -> str | None:
    """Returns what `text`, an instance of `template`, is in `other`; None where it is none."""
    numbers = parse(template, text)
    return None if numbers is None else fill(other, numbers)
