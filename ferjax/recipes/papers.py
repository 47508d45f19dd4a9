"""Named recipes: each paper's hyper-parameters, and a default for every model."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferjax.config.json_file import make_config
from ferjax.config.registered_names import find
from ferjax.config.train_config import TrainConfig
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
_LIU_GUIDED = {**_LIU, "guide": "vgg16", "pretrained": "imagenet"}
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
# P3; batch and epochs are readings.
_FARAHANI = dict(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    batch_size=64,
    epochs=30,
    image_size=120,
    normalization="dataset",
)
_FARAHANI_BASE = {**_FARAHANI, "momentum": 0.5, "dropout": 0.5}
_FARAHANI_RESNET = {**_FARAHANI, "pretrained": "imagenet"}
# What P3 concludes; which layers are early is a reading: the stem and two of the four stages.
_FARAHANI_FROZEN = {**_FARAHANI_RESNET, "freeze": r"stem_.*|stage[12]_.*"}
# On two cores and from random weights a third of the epochs is what a default can ask for.
_FARAHANI_SMALL = {**_FARAHANI, "epochs": 10}
_KUMARI_SMALL = dict(
    optimizer="sgd",
    learning_rate=0.01,
    momentum=0.9,
    batch_size=16,
    epochs=10,
    image_size=128,
)
# P1; optimizer, epochs and the width of the extra layer on top are readings.
_KUMARI = {**_KUMARI_SMALL, "epochs": 30, "head_widths": (512,), "pretrained": "imagenet"}
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
# P2 worked with Keras: its weights, the share of blocks that it leaves out, its decay of the rate,
# and its first 200 layers, which end within a block.
_IUT = {
    **_IUT_SMALL,
    "image_size": 224,
    "augment": "paper",
    "pretrained": "keras_in1k_notop",
    "stochastic_depth": 0.2,
    "epochs": (50, 100),
    "learning_rate": (1e-3, 1e-5),
    "schedule": "inverse_time",
    "decay_rate": 1e-6,
    "freeze": (
        "all_but_head",
        r"stem_.*|stage[1-4]_.*|stage5_block0/.*|stage5_block1/(expand|dw|se)_.*",
    ),
}


@dataclass(frozen=True)
class Recipe:
    """A model and data set with the settings that differ from `TrainConfig`'s defaults."""

    model: str
    dataset: str
    settings: Mapping[str, Any]
    source: str


# <paper>_<model>_<dataset>, and for a variant of a paper's system _<variant> behind it: of a pair
# the first is taken where none is named. Architecture and hyper-parameters are the papers', splits
# are ferjax's. Measured minutes and accuracies stand in BUILD.md's results table.
RECIPES: dict[str, Recipe] = {
    # python -m launch.train --model=resnet50 --dataset=ckplus
    "kumari_resnet50_ckplus": Recipe("resnet50", "ckplus", _KUMARI, "P1 Kumari"),
    # python -m launch.train --model=resnet50 --dataset=fer2013
    "kumari_resnet50_fer2013": Recipe("resnet50", "fer2013", _KUMARI, "P1 Kumari"),
    # python -m launch.train --model=efficientnet_b1 --dataset=fer2013
    "iut_efficientnet_b1_fer2013": Recipe("efficientnet_b1", "fer2013", _IUT, "P2 IUT"),
    # python -m launch.train --model=base_cnn --dataset=sfew
    "farahani_base_cnn_sfew": Recipe("base_cnn", "sfew", _FARAHANI_BASE, "P3 Farahani"),
    # python -m launch.train --model=resnet18 --dataset=sfew
    "farahani_resnet18_sfew": Recipe("resnet18", "sfew", _FARAHANI_RESNET, "P3 Farahani"),
    # python -m launch.train --recipe=farahani_resnet18_sfew_frozen
    "farahani_resnet18_sfew_frozen": Recipe("resnet18", "sfew", _FARAHANI_FROZEN, "P3 Farahani"),
    # python -m launch.train --model=cnn3 --dataset=fer2013, and so on
    "yang_cnn3_fer2013": Recipe("cnn3", "fer2013", _YANG_SHALLOW, "P4 Yang"),
    "yang_cnn4_fer2013": Recipe("cnn4", "fer2013", _YANG_SHALLOW, "P4 Yang"),
    "yang_cnn5_fer2013": Recipe("cnn5", "fer2013", _YANG_FLIP, "P4 Yang"),
    "yang_cnn6_fer2013": Recipe("cnn6", "fer2013", _YANG, "P4 Yang"),
    # python -m launch.train --model=awei --dataset=rafdb
    "liu_awei_rafdb": Recipe("awei", "rafdb", _LIU, "P5 Liu"),
    # python -m launch.train --recipe=liu_awei_rafdb_guided
    "liu_awei_rafdb_guided": Recipe("awei", "rafdb", _LIU_GUIDED, "P5 Liu"),
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
