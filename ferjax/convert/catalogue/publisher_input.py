"""How the sources want their images, and what a file itself says about it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.specs import InputSpec

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
IMAGENET = InputSpec((224, 224), 224, 3, IMAGENET_MEAN, IMAGENET_STD)
IMAGENET_BICUBIC = dataclasses.replace(IMAGENET, interpolation="bicubic")
# Caffe's habit: blue first, the mean of ImageNet's pixels subtracted, 0 to 255 otherwise.
CAFFE = InputSpec(
    (224, 224),
    224,
    3,
    mean=(103.939 / 255, 116.779 / 255, 123.68 / 255),
    std=(1 / 255,) * 3,
    order="bgr",
)


def keras_input(
    mean: Sequence[float], variance: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation that a Keras EfficientNet's first layers amount to.

    Keras ships its ImageNet weights with the deviation in the variance's place and divides by its
    root once more, in a layer without weights; so the deviation is the stored "variance" itself.
    """
    shipped = len(variance) == 3 and np.allclose(variance, IMAGENET_STD, atol=1e-6)
    std = variance if shipped else np.sqrt(variance)
    return tuple(map(float, mean)), tuple(map(float, std))


def refined(spec: InputSpec, metadata: Mapping[str, Any], where: str) -> InputSpec:
    """Returns the spec with what a file's metadata says: timm's config, Keras's normalisation.

    Raises:
      UserError: the config.json beside the file says something that is no input.
    """
    if found := metadata.get("normalization"):
        mean, std = keras_input(found["mean"], found["variance"])
        return dataclasses.replace(spec, mean=mean, std=std)
    config = metadata.get("config", {}).get("pretrained_cfg")
    if not config:
        return spec
    try:
        size = int(config.get("input_size", (3, 0, spec.size))[-1])
        known = config.get("interpolation") in ("bilinear", "bicubic")
        changed = dataclasses.replace(
            spec,
            storage=(size, size),
            size=size,
            mean=tuple(float(v) for v in config.get("mean", spec.mean)),
            std=tuple(float(v) for v in config.get("std", spec.std)),
            interpolation=config["interpolation"] if known else spec.interpolation,
        )
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise UserError(
            f"config.json beside {where}: pretrained_cfg has no usable input size, mean or std "
            f"({error}). Correct it or move it away."
        ) from None
    if len(changed.mean) != spec.channels or len(changed.std) != spec.channels:
        raise UserError(
            f"config.json beside {where}: mean {changed.mean} and std {changed.std}, expected "
            f"{spec.channels} numbers each. Correct it or move it away."
        )
    return changed
