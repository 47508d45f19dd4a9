"""InputSpec: size, channels, normalization and resizing of a network's input, stored as JSON."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferjax.errors import UserError, unknown_name

_ORDERS, _INTERPOLATIONS = ("rgb", "bgr"), ("bilinear", "bicubic")


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

    Raises:
      UserError: another number of channels, order or interpolation; or a mean or std that does not
        fit the channels.
    """

    storage: tuple[int, int]
    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str = "rgb"
    interpolation: str = "bilinear"
    guide: "InputSpec | None" = None

    def __post_init__(self) -> None:
        for kind, name, names in (
            ("order", self.order, _ORDERS),
            ("interpolation", self.interpolation, _INTERPOLATIONS),
        ):
            if name not in names:
                raise unknown_name(f"{kind} of an InputSpec", str(name), names)
        if self.channels not in (1, 3):
            raise UserError(f"InputSpec: 1 or 3 channels expected, found {self.channels!r:.40}.")
        for kind, numbers in (("mean", self.mean), ("std", self.std)):
            if not hasattr(numbers, "__len__") or len(numbers) not in (1, self.channels):
                raise UserError(
                    f"InputSpec: {kind}={numbers!r:.60} is not one number for each of"
                    f" {self.channels} channels. Give them as a tuple."
                )
        if not all(number > 0 for number in self.std):
            raise UserError(
                f"InputSpec: std={self.std!r:.60} divides the images. Give numbers above 0."
            )


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
      ValueError: a field has a value of another type, or one that `InputSpec` does not allow.
    """
    fields = lists_to_tuples(values)
    if guide := fields.get("guide"):
        fields["guide"] = spec_from_json(guide)
    try:
        spec = InputSpec(**fields)
    except UserError as error:
        raise ValueError(str(error)) from None
    sides = (*spec.storage, spec.size) if isinstance(spec.storage, tuple) else ()
    if len(sides) != 3 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"sides of the input {spec.storage!r:.40} and {spec.size!r:.40}")
    if type(spec.channels) is not int:
        raise ValueError(f"channels of the input {spec.channels!r:.40}")
    for numbers in (spec.mean, spec.std):
        if not isinstance(numbers, tuple) or not all(
            type(n) in (int, float) and math.isfinite(n) for n in numbers
        ):
            raise ValueError(f"mean or deviation of the input {numbers!r:.40}")
    return spec
