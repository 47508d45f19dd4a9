"""What a search varies: one line of text, read strictly against `TrainConfig`'s fields."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ferjax.config.fields import (
    check_field,
    field_type,
    is_per_phase,
    parse_list,
    split_outside_brackets,
)
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError, unknown_name

DEFAULT_SPACE = (
    "learning_rate=log:1e-4:1e-1, weight_decay=log:1e-6:1e-2, label_smoothing=0:0.2,"
    " augment=none|flip|standard, optimizer=sgd|adam|adamw"
)
# The choice that leaves a field to the recipe.
DEFAULT = "default"

_FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
_IMAGES = "trials would be judged on different images"
_SERIES = "a trial is one run"
_STUDY = "a study is of one model on one data set"
# Fields that every trial must share, beside those that decide no numbers.
_SHARED = {
    "model": _STUDY,
    "dataset": _STUDY,
    "recipe": _STUDY,
    "num_classes": _IMAGES,
    "fold": _IMAGES,
    "on_bad_image": _IMAGES,
    "limit": _IMAGES,
    "val_fraction": _IMAGES,
    "split_seed": _IMAGES,
    "smoke": _IMAGES,
    "folds": _SERIES,
    "seeds": _SERIES,
}
# A comma that begins the next field.
_NEXT = re.compile(r",\s*(?=\w+\s*=)")


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included.

    Attributes:
      low: smallest value; an int, as is `high`, where whole numbers alone are meant.
      high: largest value.
      log: drawn evenly by order of magnitude, not by value.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several values, as the flag's text; `default` leaves the field to the recipe."""

    texts: tuple[str, ...]


Space = Mapping[str, Range | Choice]


def parse_space(text: str) -> dict[str, Range | Choice]:
    """Returns the fields that a line varies, in its order.

    Args:
      text: `field=low:high`, `field=log:low:high` or `field=a|b|c`, separated by commas. A range of
        a whole-number field holds whole numbers. `default` among the choices leaves the flag out.

    Raises:
      UserError: a field that is unknown, given twice or shared by all trials, or a range or value
        that it does not take.
    """
    space: dict[str, Range | Choice] = {}
    for part in _NEXT.split(text.strip()):
        name, equals, values = (word.strip() for word in part.partition("="))
        if not equals:
            raise UserError(
                f"--space: {part!r} is no field=values. An example: --space='{DEFAULT_SPACE}'"
            )
        if name not in _FIELDS:
            raise unknown_name("field in --space", name, varied_fields())
        if name not in varied_fields():
            reason = _SHARED.get(name, "it decides no numbers")
            raise UserError(f"--space: {name} cannot vary: {reason}. Give it as a flag: --{name}.")
        if name in space:
            raise UserError(f"--space names {name} twice.")
        space[name] = _parsed(name, values)
    return space


def varied_fields() -> list[str]:
    """Returns the fields that a space may name."""
    free = {name for name, field in _FIELDS.items() if field.metadata["free"]}
    return [name for name in _FIELDS if name not in free and name not in _SHARED]


def format_space(space: Space) -> str:
    """Returns the line that `parse_space` reads as `space`."""
    return ", ".join(f"{name}={_formatted(values)}" for name, values in space.items())


def settings_of(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a point as `TrainConfig` fields.

    Args:
      space: what varies.
      point: field → number drawn from its range, or text drawn from its choices. Numbers that are
        not whole are rounded to four digits, so that a table shows what was used.
    """
    settings = {}
    for name, drawn in point.items():
        values = space[name]
        if isinstance(values, Range):
            settings[name] = _rounded(drawn, values)
        elif drawn != DEFAULT:
            settings[name] = _value(name, drawn)
    return settings


def middle(space: Space) -> dict[str, Any]:
    """Returns a point of the space: first choices, and ranges' middles by order or by value."""
    return {
        name: values.texts[0] if isinstance(values, Choice) else _middle(values)
        for name, values in space.items()
    }


def _parsed(name: str, text: str) -> Range | Choice:
    kind = field_type(_FIELDS[name])[0]
    texts = tuple(part.strip() for part in split_outside_brackets(text, "|"))
    if len(texts) > 1:
        return _choice(name, texts)
    if kind not in (int, float):
        raise UserError(f"--space: {name}={text}: choices are expected, as in {name}=a|b.")
    numbers = text.removeprefix("log:").split(":")
    if len(numbers) != 2 or "," in text:
        raise UserError(
            f"--space: {name}={text}: expected low:high, log:low:high, or choices as in a|b."
        )
    low, high = (_value(name, number.strip()) for number in numbers)
    if not low < high:
        raise UserError(f"--space: {name}={text}: {low} is not below {high}.")
    found = Range(low, high, text.startswith("log:"))
    if found.log and low <= 0:
        raise UserError(f"--space: {name}={text}: a logarithmic range begins above 0.")
    return found


def _choice(name: str, texts: Iterable[str]) -> Choice:
    found: dict[Any, str] = {}
    for text in texts:
        value = DEFAULT if text == DEFAULT else _value(name, text)
        if value in found:
            raise UserError(f"--space: {name} has {found[value]} and {text}, the same value.")
        found[value] = text
    return Choice(tuple(found.values()))


def _value(name: str, text: str) -> Any:
    """Returns a field's value from the text of its flag, checked."""
    field = _FIELDS[name]
    kind = field_type(field)[0]
    if is_per_phase(field) or kind is tuple:
        value = parse_list(field, text)
    elif kind is bool:
        if text not in ("true", "false"):
            raise UserError(f"--space: {name}={text}: true or false expected.")
        value = text == "true"
    else:
        try:
            value = kind(text)
        except ValueError:
            raise UserError(
                f"--space: {name}={text}: {kind.__name__} expected, found {text!r}."
            ) from None
    if value == "":
        raise UserError(f"--space: {name} has an empty choice. Write {DEFAULT} for the recipe's.")
    check_field(field, value)
    return value


def _formatted(values: Range | Choice) -> str:
    if isinstance(values, Choice):
        return "|".join(values.texts)
    return f"{'log:' * values.log}{values.low!r}:{values.high!r}"


def _middle(values: Range) -> float:
    low, high = values.low, values.high
    middle = math.sqrt(low * high) if values.log else (low + high) / 2
    return round(middle) if isinstance(low, int) else middle


def _rounded(number: float, values: Range) -> float:
    if isinstance(values.low, int):
        return round(number)
    return min(max(float(f"{number:.4g}"), values.low), values.high)
