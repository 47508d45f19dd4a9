"""absl flags generated from a config dataclass: one flag a field, nothing written twice."""

import dataclasses
from typing import Any

from absl import flags

from ferjax.config_fields import field_type
from ferjax.errors import UserError

# absl then counts the flags as the entry point's own, which is what --help lists.
flags.disclaim_key_flags()


def define_flags(config: type) -> None:
    """Defines a flag for every field of a config dataclass, with its default and help."""
    for field in dataclasses.fields(config):
        kind, _ = field_type(field)
        default = None if kind is tuple else field.default
        help_text = field.metadata["help"]
        if field.metadata["choices"]:
            help_text += f" One of: {', '.join(map(str, field.metadata['choices']))}."
        define = {
            bool: flags.DEFINE_boolean,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            str: flags.DEFINE_string,
            tuple: flags.DEFINE_string,
        }[kind]
        # An empty string as default would read as a value given.
        define(field.name, default if default != "" else None, help_text)


def given_flags(config: type) -> dict[str, Any]:
    """Returns the fields whose flags stand on the command line.

    Raises:
      UserError: a comma list that is not one of integers.
    """
    given = {}
    for field in dataclasses.fields(config):
        flag = flags.FLAGS[field.name]
        if not flag.present:
            continue
        given[field.name] = flag.value
        kind, optional = field_type(field)
        if kind is tuple:
            none = optional and not flag.value
            given[field.name] = () if none else _integers(field.name, str(flag.value))
    return given


def _integers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--{name}={text}: a comma list of integers is expected.") from None
