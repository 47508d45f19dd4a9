"""Checks of the fields that a network is built with: it has them, and their values are allowed."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ferjax.config.fields import check_field
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError, unknown_name

_FLAGS = {field.name: field for field in dataclasses.fields(TrainConfig)}


def check_takes(name: str, build: Callable[..., Any], field: str) -> None:
    """Raises `UserError` if what builds a network takes no such keyword argument.

    Args:
      name: the network's name.
      build: module class, partial of one, or function.
      field: name of the argument.
    """
    parameters = inspect.signature(build).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    if not takes_any and field not in parameters:
        flag = " (--precision=bf16 sets it)" if field == "dtype" else ""
        raise UserError(
            f"the network {name} takes no {field}{flag}. Add {field} to the fields of its module,"
            " or to the arguments of the function that builds it."
        )


def check_value(field: str, value: object, choices: Sequence[str] | None) -> None:
    """Raises `UserError` if a module field may not have this value.

    Args:
      field: name of the module field; one that is a field of `TrainConfig` too has its bounds.
      value: the value.
      choices: the allowed values, or None.
    """
    if field in _FLAGS:
        check_field(_FLAGS[field], value)
    if choices and value not in choices:
        raise unknown_name(f"--{field}", str(value), choices)
    widths = value if field == "head_widths" and isinstance(value, tuple) else ()
    if not all(isinstance(width, int) and width >= 1 for width in widths):
        text = ",".join(map(str, widths))
        raise UserError(f"--head_widths={text}: every width is at least 1, a whole number.")
