"""The networks that a search compares, each with its own recipe."""

from collections.abc import Mapping
from typing import Any

from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.recipes import resolve_with_idle
from ferjax.search.search_space import DEFAULT, IMAGE_FIELDS, Choice, Space


def base_configs(fixed: Mapping[str, Any], space: Space) -> tuple[TrainConfig, ...]:
    """Returns the configs with the fixed fields, one for each network that the space names.

    Raises:
      UserError: an unknown network, or recipes that would evaluate them on different images.
    """
    models = space.get("model")
    if not isinstance(models, Choice):
        return (resolve_with_idle(fixed),)
    if DEFAULT in models.texts:
        raise UserError(
            f"--space: model={DEFAULT} stands for no network. Write its name, as in"
            " model=cnn3|cnn4."
        )
    if fixed.get("recipe") not in (None, "default"):
        raise UserError(
            f"--recipe={fixed['recipe']} is of one model, and --space varies model. Leave the"
            " recipe out, and give the settings that all trials share as flags."
        )
    bases = tuple(resolve_with_idle({**fixed, "model": name}) for name in models.texts)
    for base in bases[1:]:
        for field in IMAGE_FIELDS:
            values = getattr(bases[0], field), getattr(base, field)
            if values[0] != values[1]:
                raise UserError(
                    f"--space: the recipes of {bases[0].model} and {base.model} have different"
                    f" --{field} ({values[0]} and {values[1]}), and trials would be evaluated on"
                    f" different images. Give --{field}."
                )
    return bases
