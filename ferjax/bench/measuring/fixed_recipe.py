"""Settings of the suite `speedrun` that both frameworks have: checks, changes from the command."""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from ferjax.errors import UserError, unknown_name
from ferjax.specs import lists_to_tuples

R = TypeVar("R")
# Side in pixels of the faces of FER2013.
NATIVE_SIDE = 48
_SHARES = ("label_smoothing", "peak_at", "first_rate", "last_rate", "dropout", "momentum", "ema")


def check_phases(phases: Sequence[tuple[int, int]]) -> None:
    """Raises `UserError` unless every phase has a side that the network takes, and epochs."""
    is_pair = all(isinstance(phase, tuple) and len(phase) == 2 for phase in phases)
    if not phases or not is_pair:
        raise UserError(f"phases={phases}: (side, epochs) of each phase expected.")
    for side, epochs in phases:
        if side % 8 or not 16 <= side <= NATIVE_SIDE:
            raise UserError(f"phases: side {side}; a multiple of 8 from 16 to 48 expected.")
        if epochs < 1:
            raise UserError(f"phases: {epochs} epochs at side {side}; at least 1 expected.")


def check_settings(recipe: Any, choices: Mapping[str, Collection[str]]) -> None:
    """Raises `UserError` for a setting that is no choice or out of range.

    Args:
      recipe: a dataclass of settings.
      choices: name of a setting → its allowed values.
    """
    for name, allowed in choices.items():
        if getattr(recipe, name) not in allowed:
            raise unknown_name(name, str(getattr(recipe, name)), allowed)
    for name in _SHARES:
        value = getattr(recipe, name, None)
        if value is not None and not 0 <= value < 1:
            raise UserError(f"{name}={value}: a number from 0 to below 1 expected.")
    if recipe.batch_size < 2 or recipe.shift < 0 or not 0 <= recipe.whitening <= 6:
        raise UserError(
            f"batch_size={recipe.batch_size}, shift={recipe.shift}, whitening={recipe.whitening}:"
            " a batch of at least 2, a shift of at least 0, patches of a side of at most 6 expected"
        )


def scaled_shift(shift: int, side: int) -> int:
    """Returns a largest shift, given in pixels of a face of 48, for faces of another side."""
    return round(shift * side / NATIVE_SIDE)


def with_changes(recipe: R, changes: Sequence[str]) -> R:
    """Returns a recipe with changed settings.

    Args:
      recipe: a frozen dataclass.
      changes: texts such as `learning_rate=0.1` or `phases=[[24, 4], [48, 2]]`; a value is JSON, or
        a name.

    Raises:
      UserError: a text without `=`, an unknown setting, or a value of another type.
    """
    names = [field.name for field in dataclasses.fields(recipe)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise UserError(f"--set={change}: SETTING=VALUE expected.")
        if name not in names:
            raise unknown_name("setting", name, names)
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        if isinstance(value, list):
            value = [tuple(item) if isinstance(item, list) else item for item in value]
        default = getattr(recipe, name)
        values[name] = lists_to_tuples({name: value})[name]
        same = isinstance(values[name], type(default)) or default is None
        if not same and not (isinstance(default, float) and type(value) is int):
            kind = type(default).__name__
            raise UserError(f"--set={change}: {kind} expected, as in {name}={default}.")
    return dataclasses.replace(recipe, **values)  # type: ignore[type-var]
