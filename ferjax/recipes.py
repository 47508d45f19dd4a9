"""Named recipes: each paper's hyper-parameters, and a default for every model."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferjax.config import TrainConfig
from ferjax.config_json import make_config
from ferjax.errors import UserError, unknown_name

# P4 prints neither optimizer, learning rate, batch, epochs nor augmentation: ferjax's readings.
_YANG = dict(
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="one_cycle",
    weight_decay=0.01,
    label_smoothing=0.1,
    batch_size=128,
    epochs=15,
    image_size=48,
    augment="standard",
)
# With cnn6's shift, smoothing and dropout the shallower nets under-fit (cnn3 at epoch 9: 47 % on
# train, 52 % on val; without shift and smoothing 48 % and 52 % at epoch 8).
_YANG_FLIP = {**_YANG, "augment": "flip", "label_smoothing": 0.0}
_YANG_SHALLOW = {**_YANG_FLIP, "dropout": 0.25, "epochs": 10}
# P5; optimizer and learning rate are readings.
_LIU = dict(
    optimizer="adam",
    learning_rate=1e-3,
    batch_size=8,
    epochs=20,
    image_size=224,
    jumper="input",
    dropout=0.5,
)
# P5 on two cores: a small input, zero-mean, and P5's own suggestion of a staged jumper.
_LIU_SMALL = {
    **_LIU,
    "jumper": "staged",
    "image_size": 64,
    "batch_size": 32,
    "epochs": 4,
    "schedule": "one_cycle",
    "normalization": "dataset",
}
# P3's base CNN; batch and epochs are readings.
_FARAHANI_BASE = dict(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.5,
    batch_size=64,
    epochs=30,
    image_size=120,
    normalization="dataset",
    dropout=0.5,
)
# P1 and P3's residual networks; P3's batch is a reading. On two cores and from random weights a
# third of their 30 epochs (a reading too) is what a default can ask for.
_RESNET = dict(optimizer="sgd", momentum=0.9, epochs=10)
_KUMARI_SMALL = {**_RESNET, "learning_rate": 0.01, "batch_size": 16, "image_size": 128}
_FARAHANI_SMALL = {
    **_RESNET,
    "learning_rate": 0.1,
    "batch_size": 64,
    "image_size": 120,
    "normalization": "dataset",
}
# With random weights nothing asks for the published classifier, nine tenths of all parameters.
_VGG_SMALL = dict(
    optimizer="sgd",
    momentum=0.9,
    learning_rate=0.01,
    batch_size=32,
    epochs=10,
    image_size=64,
    pooling="mean",
    head_widths=(),
)
# P2's head, optimizer's reading, rate and batch, at a size that two cores can train.
_IUT_SMALL = dict(
    optimizer="adam",
    learning_rate=1e-3,
    batch_size=64,
    epochs=10,
    image_size=128,
    dropout=0.5,
)


@dataclass(frozen=True)
class Recipe:
    """A model and data set with the settings that differ from `TrainConfig`'s defaults."""

    model: str
    dataset: str
    settings: Mapping[str, Any]
    source: str


# Measured minutes and accuracies stand in BUILD.md's results table.
RECIPES: dict[str, Recipe] = {
    # python -m launch.train --model=awei --dataset=rafdb
    "liu_awei_rafdb": Recipe("awei", "rafdb", _LIU, "P5 Liu"),
    # python -m launch.train --model=cnn3 --dataset=fer2013, and so on
    "yang_cnn3_fer2013": Recipe("cnn3", "fer2013", _YANG_SHALLOW, "P4 Yang"),
    "yang_cnn4_fer2013": Recipe("cnn4", "fer2013", _YANG_SHALLOW, "P4 Yang"),
    "yang_cnn5_fer2013": Recipe("cnn5", "fer2013", _YANG_FLIP, "P4 Yang"),
    "yang_cnn6_fer2013": Recipe("cnn6", "fer2013", _YANG, "P4 Yang"),
}

# What recipe `default` means for each model: its paper's settings at a size any machine can train.
DEFAULTS: dict[str, Mapping[str, Any]] = {
    "awei": _LIU_SMALL,
    "base_cnn": _FARAHANI_BASE,
    "cnn3": _YANG,
    "cnn4": _YANG,
    "cnn5": _YANG,
    "cnn6": _YANG,
    "efficientnet_b0": _IUT_SMALL,
    "efficientnet_b1": _IUT_SMALL,
    "efficientnet_b2": _IUT_SMALL,
    "resnet18": _FARAHANI_SMALL,
    "resnet34": _FARAHANI_SMALL,
    "resnet50": _KUMARI_SMALL,
    "resnet101": _KUMARI_SMALL,
    "resnet152": _KUMARI_SMALL,
    "vgg16": _VGG_SMALL,
    "vgg19": _VGG_SMALL,
}

# A few steps of anything: enough to see every part work.
_SMOKE = dict(epochs=2, limit=32, batch_size=8, warmup_epochs=0.0, eval_every=1)


def resolve(given: Mapping[str, Any]) -> TrainConfig:
    """Returns the full config: default < recipe < smoke < what was given.

    Args:
      given: `TrainConfig` fields set explicitly. Needs `model` and `dataset`, or a `recipe` that
        names them.

    Raises:
      UserError: an unknown model or recipe, a recipe of another model, or a value out of range.
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
    if model not in DEFAULTS:
        raise unknown_name("model", model, DEFAULTS)
    if recipe and recipe.model != model:
        raise UserError(
            f"--recipe={name} is for --model={recipe.model}, found --model={model}."
            " Leave one of the two out."
        )
    name = name or paper_recipe(model, dataset)
    settings = RECIPES[name].settings if name in RECIPES else DEFAULTS[model]
    config = make_config(
        {
            **settings,
            **(_SMOKE if given.get("smoke") else {}),
            **given,
            "model": model,
            "dataset": dataset,
            "recipe": name,
        }
    )
    return dataclasses.replace(config, workdir=config.workdir or _default_workdir(config))


def paper_recipe(model: str, dataset: str) -> str:
    """Returns the name of the paper's recipe for a pair, or `default`."""
    for name, recipe in RECIPES.items():
        if (recipe.model, recipe.dataset) == (model, dataset):
            return name
    return "default"


def _default_workdir(config: TrainConfig) -> str:
    seeds = "-".join(str(seed) for seed in config.seeds or (config.seed,))
    smoke = "-smoke" if config.smoke else ""
    return f"runs/{config.model}-{config.dataset}-{config.recipe}-s{seeds}{smoke}"
