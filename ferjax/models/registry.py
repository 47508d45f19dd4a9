"""Every network by name: how to build it and what images it takes."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flax import linen as nn

from ferjax.errors import UserError, unknown_name
from ferjax.models.awei import JUMPERS, Awei
from ferjax.models.cnn import BaseCNN, DepthCNN, pooled_sides
from ferjax.models.resnet import ResNet18, ResNet50


@dataclass(frozen=True)
class ModelEntry:
    """A registered network.

    Attributes:
      build: module class or partial of one; called with `num_classes` and the model's fields.
      paper: where it comes from.
      fields: the module fields a user may set.
      takes_side: whether an image side (pixels) fits its strides.
      sides: the same in words.
      channels: the number of image channels it demands, or None for any.
      choices: allowed values of fields that are names.
    """

    build: Callable[..., nn.Module]
    paper: str
    fields: tuple[str, ...]
    takes_side: Callable[[int], bool]
    sides: str
    channels: int | None = None
    choices: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def _depth_cnn(depth: int) -> ModelEntry:
    return ModelEntry(
        build=partial(DepthCNN, depth=depth),
        paper=f"P4 Yang: {depth} convolutional layers",
        fields=("dropout",),
        takes_side=lambda side: side >= 6 and all(pooled_sides(side, depth)),
        sides="from 6 on, even as long as its half is at least 3, once a block",
    )


def _resnet(build: Callable[..., nn.Module], paper: str) -> ModelEntry:
    return ModelEntry(
        build=build,
        paper=paper,
        fields=(),
        takes_side=lambda side: side >= 32,
        sides="at least 32",
    )


MODELS: dict[str, ModelEntry] = {
    "awei": ModelEntry(
        build=Awei,
        paper="P5 Liu: residual-jumper network",
        fields=("dropout", "jumper"),
        takes_side=lambda side: side >= 32 and side % 32 == 0,
        sides="a multiple of 32",
        channels=3,
        choices={"jumper": JUMPERS},
    ),
    "base_cnn": ModelEntry(
        build=BaseCNN,
        paper="P3 Farahani: base CNN",
        fields=("dropout",),
        takes_side=lambda side: side >= 16 and side % 4 == 0,
        sides="a multiple of 4, from 16 on",
    ),
    "cnn3": _depth_cnn(3),
    "cnn4": _depth_cnn(4),
    "cnn5": _depth_cnn(5),
    "cnn6": _depth_cnn(6),
    "resnet18": _resnet(ResNet18, "P3 Farahani: ResNet18"),
    "resnet50": _resnet(ResNet50, "P1 Kumari: ResNet50"),
}


def model_entry(name: str) -> ModelEntry:
    """Returns the entry of a network; raises `UserError` naming the nearest where there is none."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name]


def create_model(name: str, num_classes: int, **fields: object) -> nn.Module:
    """Returns the Linen module `name` with `num_classes` logits.

    Args:
      name: a key of `MODELS`.
      num_classes: number of logits, at least 2.
      **fields: fields of the module; `dtype` is one of every module.

    Raises:
      UserError: unknown name, a field the network lacks, or a value it does not know.
    """
    entry = model_entry(name)
    for field, value in fields.items():
        if field not in (*entry.fields, "dtype"):
            takes = ", ".join(entry.fields) or "no such flag"
            raise UserError(f"--{field}={value}: {name} has no {field}. It takes: {takes}.")
        if field in entry.choices and value not in entry.choices[field]:
            raise unknown_name(f"--{field}", str(value), entry.choices[field])
    if num_classes < 2:
        raise UserError(f"{name}: {num_classes} classes given, at least 2 expected.")
    return entry.build(num_classes=num_classes, **fields)


def check_image(name: str, side: int, channels: int) -> None:
    """Raises `UserError` where network `name` cannot take [side, side, channels] images."""
    entry = model_entry(name)
    if not entry.takes_side(side):
        below = next((s for s in range(side - 1, 0, -1) if entry.takes_side(s)), None)
        above = next(s for s in range(max(side, 1), side + 1025) if entry.takes_side(s))
        near = " or ".join(str(s) for s in (below, above) if s)
        raise UserError(
            f"--image_size={side}: the strides of {name} do not fit it (its side must be"
            f" {entry.sides}). Nearest that work: {near}."
        )
    if entry.channels not in (None, channels):
        raise UserError(
            f"--channels={channels}: {name} takes {entry.channels} channels."
            f" Leave the flag out, or give {entry.channels}."
        )
