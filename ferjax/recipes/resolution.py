"""Resolves the config of a run from recipe and flags: default < recipe < smoke < given flag."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.config.field_combinations import DECAYS
from ferjax.config.fields import check_field, values_of
from ferjax.config.idle_flags import idle_flags
from ferjax.config.json_file import check_settings, make_config
from ferjax.config.registered_names import find
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError, unknown_name
from ferjax.recipes.default_workdir import default_workdir
from ferjax.recipes.lengthen_run import in_default_workdir, lengthened
from ferjax.recipes.papers import DEFAULTS, RECIPES
from ferjax.specs import lists_to_tuples

# With --smoke: a few steps on a few images, enough to run every part once.
_SMOKE = dict(epochs=2, limit=32, batch_size=8, warmup_epochs=0.0, eval_every=1)


def resolve(given: Mapping[str, Any]) -> TrainConfig:
    """Returns the full config of a run.

    Precedence, lowest first: defaults of `TrainConfig`, recipe, smoke settings, given fields.

    Args:
      given: `TrainConfig` fields set explicitly. It needs `model` and `dataset`, or a `recipe` that
        names them. `epochs` may also be the text `+N`: N more epochs than the finished run has.

    Raises:
      UserError: an unknown field, model or recipe, a recipe for another model, a value out of
        range, a field without effect, or a run that cannot be trained longer.
    """
    config = resolve_with_idle(given)
    # Earlier versions began runs with such flags, which can be resumed.
    if config.resume and (Path(config.workdir or "") / "config.json").is_file():
        return config
    for name, reason in idle_flags(vars(config)).items():
        if name in given and getattr(config, name) != getattr(TrainConfig, name):
            value = getattr(config, name)
            raise UserError(f"--{name}={value}: {reason}. Leave the flag out.")
    return config


def resolve_with_idle(given: Mapping[str, Any]) -> TrainConfig:
    """Returns the config as `resolve` does, also if given fields have no effect (`idle_flags`).

    A search gives all of its fields in every trial.
    """
    given = lists_to_tuples(given)
    check_settings(given)
    for field in dataclasses.fields(TrainConfig):
        if field.name in ("model", "dataset", "recipe", "seeds") and given.get(field.name):
            check_field(field, given[field.name])
    name = given.get("recipe")
    if name not in (None, "default", *RECIPES):
        raise unknown_name("recipe", str(name), ("default", *RECIPES))
    recipe = RECIPES.get(str(name))
    model = given.get("model") or (recipe.model if recipe else "")
    dataset = given.get("dataset") or (recipe.dataset if recipe else "")
    for flag, value in (("model", model), ("dataset", dataset)):
        if not value:
            raise UserError(
                f"--{flag} is missing. `python -m launch.train --list` shows the names."
            )
    find("model", model, DEFAULTS)
    if "seed" in given and given.get("seeds"):
        seeds = ",".join(map(str, given["seeds"]))
        raise UserError(
            f"--seed={given['seed']} and --seeds={seeds}: each run of --seeds has its own seed."
            " Leave one of the two out."
        )
    if recipe and recipe.model != model:
        raise UserError(
            f"--recipe={name} is for --model={recipe.model}, found --model={model}."
            " Leave one of the two out."
        )
    name = name or paper_recipe(model, dataset)
    recipe_settings = {**_settings(name, model), **(_SMOKE if given.get("smoke") else {})}
    recipe_settings = _without_idle_decays(recipe_settings, given)
    epochs = given.get("epochs")
    if isinstance(epochs, str):
        given = {field: value for field, value in given.items() if field != "epochs"}
    try:
        config = make_config(
            {**recipe_settings, **given, "model": model, "dataset": dataset, "recipe": name}
        )
    except UserError as error:
        raise naming_recipe(error, given, name, model) from None
    defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    workdir = config.workdir or default_workdir(
        config, lists_to_tuples({**defaults, **recipe_settings})
    )
    config = dataclasses.replace(config, workdir=workdir)
    if not isinstance(epochs, str):
        return config
    return lengthened(config if given.get("workdir") else in_default_workdir(config), epochs)


def naming_recipe(error: UserError, given: Mapping[str, Any], recipe: str, model: str) -> UserError:
    """Returns the error, with a sentence added if its flag was set by the recipe or --smoke.

    Args:
      error: error of the config or the run; it is about a flag if it begins with the flag.
      given: `TrainConfig` fields set explicitly.
      recipe: the recipe of the run.
      model: the network of the run.
    """
    flag = re.match(r"--(\w+)", str(error))
    if not flag or flag[1] in given:
        return error
    if given.get("smoke") and flag[1] in _SMOKE:
        return UserError(f"{error} (--{flag[1]} is set by --smoke.)")
    if flag[1] in _settings(recipe, model):
        return UserError(f"{error} (--{flag[1]} is set by the recipe {recipe}.)")
    return error


def _settings(recipe: str, model: str) -> Mapping[str, Any]:
    """Returns the settings of a recipe; `default` of a registered network is in its entry."""
    if recipe in RECIPES:
        return RECIPES[recipe].settings
    return DEFAULTS[model] if model in DEFAULTS else find("model", model, DEFAULTS).recipe


def _without_idle_decays(settings: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a recipe's settings without decay flags that the given schedule does not use."""
    used = set(values_of({**settings, **given}.get("schedule", "constant")))
    idle = {name for name, schedules in DECAYS.items() if not used & set(schedules)}
    return {name: value for name, value in settings.items() if name not in idle}


def paper_recipe(model: str, dataset: str) -> str:
    """Returns the name of the recipe for this model and data set, or `default`."""
    for name, recipe in RECIPES.items():
        if (recipe.model, recipe.dataset) == (model, dataset) and not recipe.by_name:
            return name
    return "default"
