"""The default run directory: model, data set, recipe, seed, and flags that change the recipe."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ferjax.config.fields import values_of
from ferjax.config.train_config import TrainConfig

# Short forms of the flags that people vary most; other flags have their own names.
SHORT = {
    "accumulate": "acc",
    "batch_size": "bs",
    "class_weights": "cw",
    "clip_norm": "clip",
    "image_size": "px",
    "label_smoothing": "ls",
    "learning_rate": "lr",
    "warmup_epochs": "warmup",
    "weight_decay": "wd",
}
# Fields that are in every name, before the changes.
_IN_EVERY_NAME = ("model", "dataset", "recipe", "seed", "seeds", "smoke")
_MOST_CHARACTERS = 80


def default_workdir(config: TrainConfig, unchanged: Mapping[str, Any]) -> str:
    """Returns runs/<model>-<dataset>-<recipe>-s<seeds>[-smoke][-<changes>].

    A change is a flag whose value is not that of the recipe, like `lr0.01`, `noaugment` or
    `optimizer_sgd`; for a value of other characters, such as a path, a digest is shown. Changes
    that make a name too long are replaced by a digest of all. Flags that may differ when a run is
    resumed are left out.

    Args:
      config: the config of the run.
      unchanged: field → value for the same model, data set and recipe without other flags.
    """
    seeds = "-".join(str(seed) for seed in config.seeds or (config.seed,))
    smoke = ["smoke"] * config.smoke
    changes = {
        field.name: value
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != unchanged[field.name]
        and not field.metadata["free"]
        and field.name not in _IN_EVERY_NAME
    }
    texts = [_change_text(name, value) for name, value in changes.items()]
    if len("-".join(texts)) > _MOST_CHARACTERS:
        while len("-".join(texts)) > _MOST_CHARACTERS - 9:
            texts.pop()
        texts.append(_digest(changes))
    name = [config.model, config.dataset, f"{config.recipe}", f"s{seeds}", *smoke, *texts]
    return f"runs/{'-'.join(name)}"


def _change_text(name: str, value: Any) -> str:
    """Returns a change as a part of a file name."""
    short = SHORT.get(name, name)
    if value is None or value is False or value in ("none", ()):
        return f"no{short}"
    if value is True:
        return short
    shown = "+".join(
        f"{single:.12g}" if isinstance(single, float) else str(single)
        for single in values_of(value)
    )
    if not re.fullmatch(r"[\w.+-]{1,30}", shown, re.ASCII):
        return f"{short}_{_digest(value)}"
    return f"{short}{'_' * (not shown[0].isdigit())}{shown}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]
