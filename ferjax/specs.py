"""InputSpec: size, channels, normalization and resizing of a network's input, stored as JSON."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InputSpec:
    """How uint8 images become the input of a network; every checkpoint contains an InputSpec.

    Attributes:
      storage: (H, W) of the images that the host sends to the device: the size of the data set's
        images, or the size to which the host resizes images of different sizes.
      size: side in pixels of the square to which the device resizes.
      channels: 1 (grey) or 3 (RGB).
      mean: one value per channel of the network, on the scale where 255 is 1; it is subtracted.
      std: one value per channel of the network, on the same scale; it divides.
      order: order of the network's channels, `rgb` or `bgr`.
      interpolation: interpolation of the resizing on the device, `bilinear` or `bicubic`; both are
        antialiased.
      guide: how the same resized pixels become the input of the frozen guide network, or None.
    """

    storage: tuple[int, int]
    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str = "rgb"
    interpolation: str = "bilinear"
    guide: "InputSpec | None" = None


def spec_to_json(spec: InputSpec) -> dict[str, Any]:
    """Returns the spec as JSON values."""
    return dataclasses.asdict(spec)


def lists_to_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns JSON values as fields of a frozen dataclass: lists become tuples."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


def spec_from_json(values: Mapping[str, Any]) -> InputSpec:
    """Returns the spec from the JSON values of `spec_to_json`.

    Raises:
      TypeError: a field is missing or unknown.
      ValueError: a field has a value of another type.
    """
    fields = lists_to_tuples(values)
    if guide := fields.get("guide"):
        fields["guide"] = spec_from_json(guide)
    spec = InputSpec(**fields)
    sides = (*spec.storage, spec.size) if isinstance(spec.storage, tuple) else ()
    if len(sides) != 3 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"sides of the input {spec.storage!r:.40} and {spec.size!r:.40}")
    if type(spec.channels) is not int or spec.channels not in (1, 3):
        raise ValueError(f"channels of the input {spec.channels!r:.40}")
    for numbers in (spec.mean, spec.std):
        right_length = isinstance(numbers, tuple) and len(numbers) in (1, 3)
        if not right_length or not all(
            type(n) in (int, float) and math.isfinite(n) for n in numbers
        ):
            raise ValueError(f"mean or deviation of the input {numbers!r:.40}")
    return spec
