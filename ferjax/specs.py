"""InputSpec: size, channels, normalization and resizing of a network's input, stored as JSON."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InputSpec:
    """How uint8 images become the input of a network. Every checkpoint contains it.

    Attributes:
      storage: (H, W) of the images that the host sends to the device: the size of the data set's
        images, or the size to which the host resizes images of different sizes.
      size: side in pixels of the square to which the device resizes.
      channels: 1 (grey) or 3 (RGB).
      mean: one value per channel of the network, on the scale where 255 is 1; it is subtracted.
      std: one value per channel of the network, on the same scale; it divides.
      order: order of the network's channels, `rgb` or `bgr`.
      interpolation: of the resizing on the device, `bilinear` or `bicubic`; antialiased.
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
    """Returns the spec from the JSON values of `spec_to_json`."""
    fields = lists_to_tuples(values)
    if guide := fields.get("guide"):
        fields["guide"] = spec_from_json(guide)
    return InputSpec(**fields)
