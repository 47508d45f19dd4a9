"""Resolves the config of a run from recipe and flags: default < recipe < smoke < given flag."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from ferjax.config.field_combinations import DECAYS
from ferjax.config.fields import values_of
from ferjax.config.json_file import make_config
from ferjax.config.registered_names import find
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError, unknown_name
from ferjax.recipes.default_workdir import default_workdir
from ferjax.recipes.lengthen_run import lengthened
from ferjax.recipes.papers import DEFAULTS, RECIPES
from ferjax.specs import lists_to_tuples

# With --smoke: a few steps on a few images, enough to run every part once.
_SMOKE = dict(epochs=2, limit=32, batch_size=8, warmup_epochs=0.0, eval_every=1)


def resolve(given: Mapping[str, Any]) -> TrainConfig:
    """Returns the full config of a run.

    Precedence, lowest first: defaults of `TrainConfig`, recipe, smoke settings, given fields.

    Args:
      given: `TrainConfig` fields set explicitly. It needs `model` and `dataset`, or a `recipe` that
        names them. `epochs` may also be the text `+N`: N more than the finished run has.

    Raises:
      UserError: an unknown model or recipe, a recipe for another model, a value out of range, or
        a run that cannot be trained longer.
    """
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
    if "seed" in given and given.get("seeds"):
        seeds = ",".join(map(str, given["seeds"]))
        raise UserError(
            f"--seed={given['seed']} and --seeds={seeds}: each run of --seeds has its own seed."
            " Leave one of the two out."
        )
    own = find("model", model, DEFAULTS)
    if recipe and recipe.model != model:
        raise UserError(
            f"--recipe={name} is for --model={recipe.model}, found --model={model}."
            " Leave one of the two out."
        )
    name = name or paper_recipe(model, dataset)
    settings = RECIPES[name].settings if name in RECIPES else DEFAULTS.get(model)
    if settings is None:
        # A registered network brings the settings of its recipe `default`.
        settings = own.recipe
    plain = _without_idle_decays({**settings, **(_SMOKE if given.get("smoke") else {})}, given)
    more = given.get("epochs")
    if isinstance(more, str):
        given = {field: value for field, value in given.items() if field != "epochs"}
    try:
        config = make_config({**plain, **given, "model": model, "dataset": dataset, "recipe": name})
    except UserError as error:
        flag = re.match(r"--(\w+)", str(error))
        if flag and flag[1] in plain and flag[1] not in given:
            raise UserError(f"{error} (--{flag[1]} is set by the recipe {name}.)") from None
        raise
    defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    workdir = config.workdir or default_workdir(config, lists_to_tuples({**defaults, **plain}))
    config = dataclasses.replace(config, workdir=workdir)
    return lengthened(config, more) if isinstance(more, str) else config


def _without_idle_decays(plain: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a recipe's settings without the decay of a schedule that a given one replaces."""
    used = set(values_of({**plain, **given}.get("schedule", "constant")))
    idle = {name for name, schedules in DECAYS.items() if not used & set(schedules)}
    return {name: value for name, value in plain.items() if name not in idle}


def paper_recipe(model: str, dataset: str) -> str:
    """Returns the name of a paper's recipe for this model and data set, or `default`."""
    for name, recipe in RECIPES.items():
        if (recipe.model, recipe.dataset) == (model, dataset):
            return name
    return "default"
