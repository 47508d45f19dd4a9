"""Translates names between templates: `layer{s}.{b}.weight` ↔ `stage{s}_block{b}/kernel`.

A field is `{name}`, a whole number; `{name-1}` or `{name+1}`, that number with an offset;
`{name:letter}`, that number as a letter, 0 = a. A name can be translated between two templates
with the same fields.
"""

import re
from functools import cache

_FIELD = re.compile(r"\{(\w+)([+-]\d+)?(:letter)?\}")


@cache
def _compile(template: str) -> tuple[re.Pattern[str], tuple[tuple[str, int, bool], ...]]:
    """Returns the regex of a template, and for each field (name, offset, whether a letter)."""
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
    """Returns {field: number} if the whole text matches the template, else None."""
    pattern, fields = _compile(template)
    match = pattern.fullmatch(text)
    if not match:
        return None
    numbers: dict[str, int] = {}
    for (name, offset, letter), value in zip(fields, match.groups(), strict=True):
        number = (ord(value) - ord("a") if letter else int(value)) - offset
        if number < 0 or numbers.setdefault(name, number) != number:
            return None
    return numbers


def fill(template: str, numbers: dict[str, int]) -> str:
    """Returns the template with numbers in its fields."""

    def format_field(field: re.Match[str]) -> str:
        name, offset, letter = field.groups()
        number = numbers[name] + int(offset or 0)
        return chr(ord("a") + number) if letter else str(number)

    return _FIELD.sub(format_field, template)


def translate(template: str, other: str, text: str) -> str | None:
    """Translates `text` from one template to the other; None if it does not match `template`."""
    numbers = parse(template, text)
    return None if numbers is None else fill(other, numbers)
