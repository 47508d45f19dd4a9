"""Search space: parses and checks --space, with ranges and choices of `TrainConfig` fields."""

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
# The choice that keeps the value of the recipe.
DEFAULT = "default"

_FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
# Reasons why --space cannot vary a field.
_IMAGES = "trials would be evaluated on different images"
_SERIES = "a trial is one run"
_STUDY = "a study is of one data set"
_RECIPE = "a recipe is of one model, and a study has one"
# Fields that must be equal in all trials, with the reason. Fields that do not influence the results
# must be equal too.
_SHARED = {
    "dataset": _STUDY,
    "recipe": _RECIPE,
    "num_classes": _IMAGES,
    "angles": _IMAGES,
    "fold": _IMAGES,
    "on_bad_image": _IMAGES,
    "limit": _IMAGES,
    "val_fraction": _IMAGES,
    "split_seed": _IMAGES,
    "protocol": _IMAGES,
    "smoke": _IMAGES,
    "folds": _SERIES,
    "seeds": _SERIES,
}
# Fields that determine the images on which a trial is evaluated.
IMAGE_FIELDS = tuple(name for name, reason in _SHARED.items() if reason == _IMAGES)
# The comma before the next field.
_SEPARATOR = re.compile(r",\s*(?=\w+\s*=)")


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included.

    Attributes:
      low: smallest value; `low` and `high` are int in a range of whole numbers.
      high: largest value.
      log: whether values are drawn uniformly in the logarithm.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several values, as texts of the flag; `default` keeps the value of the recipe."""

    texts: tuple[str, ...]


Space = Mapping[str, Range | Choice]


def parse_space(text: str) -> dict[str, Range | Choice]:
    """Returns the search space of the text of --space: field → range or choice, in text order.

    Args:
      text: `field=low:high`, `field=log:low:high` or `field=a|b|c`, separated by commas. A range of
        an integer field contains integers only. The choice `default` keeps the recipe's value.

    Raises:
      UserError: a field that is unknown, given twice or not searchable, or a range or value that
        the field does not accept.
    """
    space: dict[str, Range | Choice] = {}
    for part in _SEPARATOR.split(text.strip()):
        name, equals, values = (word.strip() for word in part.partition("="))
        if not equals:
            raise UserError(
                f"--space: {part!r} is not of the form field=values. An example:"
                f" --space='{DEFAULT_SPACE}'"
            )
        if name not in _FIELDS:
            raise unknown_name("field in --space", name, searchable_fields())
        if name not in searchable_fields():
            reason = _SHARED.get(name, "it does not change the results")
            raise UserError(f"--space: {name} cannot vary: {reason}. Give it as a flag: --{name}.")
        if name in space:
            raise UserError(f"--space names {name} twice.")
        space[name] = _parse_range_or_choice(name, values)
    return space


def searchable_fields() -> list[str]:
    """Returns the names of the `TrainConfig` fields that --space may vary."""
    free = {name for name, field in _FIELDS.items() if field.metadata["free"]}
    return [name for name in _FIELDS if name not in free and name not in _SHARED]


def choices_only(space: Space) -> dict[str, tuple[str, ...]] | None:
    """Returns field → texts of its choices; None if the space has a range."""
    choices = {k: values.texts for k, values in space.items() if isinstance(values, Choice)}
    return choices if len(choices) == len(space) else None


def format_space(space: Space) -> str:
    """Returns the text that `parse_space` reads as `space`."""
    return ", ".join(f"{name}={_format_values(values)}" for name, values in space.items())


def settings_from_point(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the `TrainConfig` fields of a point of the search space.

    Args:
      space: the search space.
      point: field → number drawn from its range, or text drawn from its choices. Floats are
        rounded to four significant digits, so that a table shows the value that was used.
    """
    settings = {}
    for name, drawn in point.items():
        values = space[name]
        if isinstance(values, Range):
            settings[name] = _rounded_and_clipped(drawn, values)
        elif drawn != DEFAULT:
            settings[name] = _parse_value(name, drawn)
    return settings


def middle_point(space: Space) -> dict[str, Any]:
    """Returns the middle of the space: the first choices, and (geometric) means of the ranges."""
    return {
        name: values.texts[0] if isinstance(values, Choice) else _middle_of_range(values)
        for name, values in space.items()
    }


def _parse_range_or_choice(name: str, text: str) -> Range | Choice:
    kind = field_type(_FIELDS[name])[0]
    texts = tuple(part.strip() for part in split_outside_brackets(text, "|"))
    if len(texts) > 1:
        return _parse_choice(name, texts)
    if kind not in (int, float):
        raise UserError(f"--space: {name}={text}: choices are expected, as in {name}=a|b.")
    numbers = text.removeprefix("log:").split(":")
    if len(numbers) != 2 or "," in text:
        raise UserError(
            f"--space: {name}={text}: expected low:high, log:low:high, or choices as in a|b."
        )
    low, high = (_parse_value(name, number.strip()) for number in numbers)
    if not low < high:
        raise UserError(f"--space: {name}={text}: {low} is not below {high}.")
    values = Range(low, high, text.startswith("log:"))
    if values.log and low <= 0:
        raise UserError(f"--space: {name}={text}: a logarithmic range must begin above 0.")
    return values


def _parse_choice(name: str, texts: Iterable[str]) -> Choice:
    by_value: dict[Any, str] = {}
    for text in texts:
        value = DEFAULT if text == DEFAULT else _parse_value(name, text)
        if value in by_value:
            raise UserError(f"--space: {name} has {by_value[value]} and {text}, the same value.")
        by_value[value] = text
    return Choice(tuple(by_value.values()))


def _parse_value(name: str, text: str) -> Any:
    """Returns the checked value of a field from the text of its flag."""
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
        raise UserError(
            f"--space: {name} has an empty choice. Write {DEFAULT} for the recipe's value."
        )
    check_field(field, value)
    return value


def _format_values(values: Range | Choice) -> str:
    if isinstance(values, Choice):
        return "|".join(values.texts)
    return f"{'log:' * values.log}{values.low!r}:{values.high!r}"


def _middle_of_range(values: Range) -> float:
    low, high = values.low, values.high
    middle = math.sqrt(low * high) if values.log else (low + high) / 2
    return round(middle) if isinstance(low, int) else middle


def _rounded_and_clipped(number: float, values: Range) -> float:
    if isinstance(values.low, int):
        return round(number)
    return min(max(float(f"{number:.4g}"), values.low), values.high)
