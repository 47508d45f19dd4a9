"""Input specs of pretrained weights: mean, std, channel order, and their values in a file."""

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
# As in Caffe: BGR order, values from 0 to 255 minus the mean pixel of ImageNet.
CAFFE = InputSpec(
    (224, 224),
    224,
    3,
    mean=(103.939 / 255, 116.779 / 255, 123.68 / 255),
    std=(1 / 255,) * 3,
    order="bgr",
)


def keras_normalization(
    mean: Sequence[float], variance: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of the first layers of a Keras EfficientNet.

    In its published ImageNet weights Keras stores the standard deviation as "variance", and divides
    by its root a second time, in a layer without weights. So the standard deviation is the stored
    "variance" itself.
    """
    published = len(variance) == 3 and np.allclose(variance, IMAGENET_STD, atol=1e-6)
    std = variance if published else np.sqrt(variance)
    return tuple(map(float, mean)), tuple(map(float, std))


def refine_input_spec(spec: InputSpec, metadata: Mapping[str, Any], where: str) -> InputSpec:
    """Returns the spec with values from a file's metadata: timm's config, Keras's normalisation.

    Raises:
      UserError: config.json in the file's folder has invalid values.
    """
    if values := metadata.get("normalization"):
        mean, std = keras_normalization(values["mean"], values["variance"])
        return dataclasses.replace(spec, mean=mean, std=std)
    config = metadata.get("config", {}).get("pretrained_cfg")
    if not config:
        return spec
    try:
        size = int(config.get("input_size", (3, 0, spec.size))[-1])
        supported = config.get("interpolation") in ("bilinear", "bicubic")
        refined = dataclasses.replace(
            spec,
            storage=(size, size),
            size=size,
            mean=tuple(float(v) for v in config.get("mean", spec.mean)),
            std=tuple(float(v) for v in config.get("std", spec.std)),
            interpolation=config["interpolation"] if supported else spec.interpolation,
        )
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise UserError(
            f"config.json next to {where}: pretrained_cfg has no usable input size, mean or std "
            f"({error}). Correct it or move it away."
        ) from None
    if len(refined.mean) != spec.channels or len(refined.std) != spec.channels:
        raise UserError(
            f"config.json next to {where}: mean {refined.mean} and std {refined.std}, expected "
            f"{spec.channels} numbers each. Correct it or move it away."
        )
    return refined
