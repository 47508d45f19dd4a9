"""absl flags generated from the fields of a config dataclass, and the fields that were given."""

import dataclasses
from collections.abc import Collection
from typing import Any

from absl import flags

from ferjax.config.fields import field_type, is_per_phase, parse_list, values_of
from ferjax.config.train_config import TrainConfig
from ferjax.recipes import DEFAULTS, RECIPES

# absl then attributes the flags to the entry point, so that --help lists them.
flags.disclaim_key_flags()


def define_flags(config: type, shared: Collection[str] = ()) -> None:
    """Defines a flag for every field of a config dataclass, with its default and help.

    The help of a flag that some recipe sets says that its default is the recipe's.

    Args:
      config: the dataclass.
      shared: fields whose flags another config of the same command defines.
    """
    recipes = [*DEFAULTS.values(), *(recipe.settings for recipe in RECIPES.values())]
    of_recipes = set().union(*recipes) if config is TrainConfig else set()
    for field in dataclasses.fields(config):
        if field.name in shared:
            continue
        kind, _ = field_type(field)
        default = None if kind is tuple else field.default
        help_text = field.metadata["help"]
        if field.metadata["choices"]:
            help_text += f" One of: {', '.join(map(str, field.metadata['choices']))}."
        if field.name in of_recipes:
            help_text += " Recipes set it: see --list."
        if is_per_phase(field):
            kind, default = str, ",".join(map(str, values_of(default)))
        define = {
            bool: flags.DEFINE_boolean,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            str: flags.DEFINE_string,
            tuple: flags.DEFINE_string,
        }[kind]
        # An empty string as default would look like a given value.
        define(field.name, default if default != "" else None, help_text)


def given_flags(config: type) -> dict[str, Any]:
    """Returns the fields whose flags are on the command line, with their values.

    Raises:
      UserError: a comma list with parts of the wrong type.
    """
    given = {}
    for field in dataclasses.fields(config):
        flag = flags.FLAGS[field.name]
        if not flag.present:
            continue
        if field.name == "epochs" and str(flag.value).startswith("+"):
            given[field.name] = flag.value  # more epochs, for `resolve`
            continue
        listed = is_per_phase(field) or field_type(field)[0] is tuple
        given[field.name] = parse_list(field, str(flag.value)) if listed else flag.value
    return given
