"""What a network expects of its input: the contract that travels with every checkpoint."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InputSpec:
    """How uint8 images become a network's input.

    Attributes:
      storage: (H, W) at which the host hands images over: the data set's own size, or the size the
        host resizes to where images differ.
      size: side of the square the device resizes to, pixels.
      channels: 1 (grey) or 3 (RGB).
      mean: per channel of the network, on the scale where 255 is 1; subtracted.
      std: per channel of the network, on the same scale; divided by.
      order: `rgb` or `bgr`, of the network's channels.
      interpolation: `bilinear` or `bicubic`, of the device's resize; antialiased.
      guide: how the same resized pixels become the input of a second, guiding network, or None.
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


def tupled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns JSON values as fields: lists become tuples, which frozen dataclasses hold."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


def spec_from_json(values: Mapping[str, Any]) -> InputSpec:
    """Returns the spec that `spec_to_json` wrote, lists turned back into tuples."""
    fields = tupled(values)
    if guide := fields.get("guide"):
        fields["guide"] = spec_from_json(guide)
    return InputSpec(**fields)
