"""Fields of a config: default, help, bounds, choices, types, comma lists, and their checks."""

import dataclasses
import math
import os
import re
import types
import typing
from typing import Any

from ferjax.config.registered_names import KINDS, registered
from ferjax.errors import UserError, unknown_name


def config_field(
    default: Any,
    help: str,
    *,
    choices: tuple[Any, ...] | None = None,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    free: bool = False,
) -> Any:
    """Returns a dataclass field with its help and the rules for its values.

    Args:
      default: the default value.
      help: the help text of the flag, a sentence.
      choices: the allowed values; None allows all.
      low: smallest allowed number.
      high: largest allowed number.
      above: the number must be greater than this.
      free: whether the field may change when a run is resumed; such fields do not change results.
    """
    metadata = dict(help=help, choices=choices, low=low, high=high, above=above, free=free)
    return dataclasses.field(default=default, metadata=metadata)


def field_type(field: dataclasses.Field) -> tuple[type, bool]:
    """Returns the type of one value of a field, without None, and whether None is allowed."""
    kind, others = field.type, ()
    if isinstance(kind, types.UnionType):
        kind, *others = typing.get_args(kind)
    return typing.get_origin(kind) or typing.cast(type, kind), types.NoneType in others


def is_per_phase(field: dataclasses.Field) -> bool:
    """Returns whether a field takes either one value for all training phases or one per phase."""
    _, *others = typing.get_args(field.type) or (field.type,)
    return any(typing.get_origin(kind) is tuple for kind in others)


def values_of(value: Any) -> tuple[Any, ...]:
    """Returns the value of a per-phase field as a tuple; a single value becomes a tuple of one."""
    return value if isinstance(value, tuple) else (value,)


def split_outside_brackets(text: str, separator: str) -> list[str]:
    """Splits a text at separators outside brackets; a regular expression may have some inside."""
    parts, depth = [""], 0
    for character in re.findall(r"\\.|.", text, re.DOTALL):
        depth += (character in "([{") - (character in ")]}")
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def parse_list(field: dataclasses.Field, text: str) -> Any:
    """Parses a comma list as the value of a field that takes a tuple.

    For a field that takes one value or a tuple, a list of one becomes that value.

    Raises:
      UserError: a part that is not of the field's type.
    """
    kind, optional = field_type(field)
    if kind is tuple:
        if optional and not text:
            return ()
        tuples = [t for t in (field.type, *typing.get_args(field.type)) if typing.get_origin(t)]
        kind = next(typing.get_args(t)[0] for t in tuples if typing.get_origin(t) is tuple)
    try:
        parts = tuple(kind(part) for part in split_outside_brackets(text, ","))
    except ValueError:
        plural = {int: "integers", float: "numbers"}[kind]
        raise UserError(f"--{field.name}={text}: a comma list of {plural} is expected.") from None
    return parts[0] if is_per_phase(field) and len(parts) == 1 else parts


def expand_home(config: Any) -> None:
    """Replaces a leading `~` in the texts of a config by the home folder; only paths begin with it.

    A shell does not replace it in `--data_dir=~/faces`, and Python never does.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, str) and value.startswith("~"):
            object.__setattr__(config, field.name, _expanded(value))
        elif isinstance(value, tuple) and any(str(part).startswith("~") for part in value):
            expanded = tuple(_expanded(part) for part in value)
            object.__setattr__(config, field.name, expanded)


def _expanded(text: str) -> str:
    """Returns a path whose leading `~` is replaced by the home folder."""
    try:
        return os.path.expanduser(text)
    except ValueError:
        # A null byte: no user and no file has such a name, and opening the path raises an error.
        return text


def check_fields(config: Any) -> None:
    """Raises `UserError` if the value of any field of a config is not allowed."""
    for field in dataclasses.fields(config):
        check_field(field, getattr(config, field.name))


def check_field(field: dataclasses.Field, value: Any) -> None:
    """Raises `UserError` if a field does not allow a value."""
    if is_per_phase(field) and value == ():
        raise UserError(f"--{field.name}: at least one value is expected.")
    for phase_value in values_of(value) if is_per_phase(field) else (value,):
        _check_one_value(field, phase_value)


def _check_one_value(field: dataclasses.Field, value: Any) -> None:
    kind, optional = field_type(field)
    if value is None and optional:
        return
    flag, rule = f"--{field.name}={value}", field.metadata
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{flag}: {kind.__name__} expected, found {type(value).__name__}.")
    choices = rule["choices"] or ()
    if choices and field.name in KINDS:
        choices = (*choices, *registered(field.name))
    if choices and value not in choices:
        raise unknown_name(f"--{field.name}", str(value), map(str, choices))
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{flag}: a finite number expected.")
    if rule["low"] is not None and value < rule["low"]:
        raise UserError(f"{flag}: expected at least {rule['low']}.")
    if rule["high"] is not None and value > rule["high"]:
        raise UserError(f"{flag}: expected at most {rule['high']}.")
    if rule["above"] is not None and value <= rule["above"]:
        raise UserError(f"{flag}: expected above {rule['above']}.")
