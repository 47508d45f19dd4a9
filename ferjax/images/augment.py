"""Training augmentation on the device: presets (flip, shift, rotation, crop, colour, erasing)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from ferjax.config.registered_names import find, register
from ferjax.images.colour import Colour
from ferjax.images.geometry import Geometry

T = TypeVar("T")
# (key, images uint8 [B, H, W, C], index int32 [B]) → images of that shape, uint8 or float 0 to 255.
Augmentation = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

# Flip and shift use keys from `split` of the image's key. The transformations that were added later
# fold in these numbers, so that the older draws stay the same.
_STREAMS = {"rotation": 2, "zoom": 3, "crop": 4, "brightness": 5, "contrast": 6, "erase": 7}
_CROP_RATIO = (3 / 4, 4 / 3)
_ERASE_RATIO = (0.3, 3.3)


@dataclass(frozen=True)
class Augment:
    """An augmentation preset; the default values change nothing.

    Attributes:
      flip: whether to mirror half of the images, left to right.
      shift: largest shift of the image in each direction, as a fraction of its side; every whole
        number of pixels up to and including the largest is equally likely.
      rotation: largest angle in both directions, as a fraction of a full circle (Keras'
        RandomRotation).
      zoom: the side of the visible window is multiplied by a factor between 1 - zoom and 1 + zoom.
      random_resized_crop: smallest and largest area of the crop, as fractions of the image's area;
        the aspect ratio is drawn log-uniformly between 3:4 and 4:3.
      brightness: pixels are multiplied by a factor between 1 - brightness and 1 + brightness.
      contrast: distances from the mean grey are multiplied by a factor between 1 - contrast and
        1 + contrast.
      erase: probability that a rectangle is erased.
      erase_area: smallest and largest area of the rectangle, as fractions of the image's area; the
        aspect ratio lies between 0.3 and 3.3.
      mixup: alpha of the Beta distribution for mixup (Zhang et al., 2018).
      cutmix: alpha of the Beta distribution for cutmix (Yun et al., 2019). If mixup is set too,
        each image gets one of the two with equal probability.
    """

    flip: bool = False
    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    random_resized_crop: tuple[float, float] = (1.0, 1.0)
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0
    erase_area: tuple[float, float] = (0.02, 0.33)
    mixup: float = 0.0
    cutmix: float = 0.0


AUGMENTS: dict[str, Augment] = {
    "none": Augment(),
    "flip": Augment(flip=True),
    "standard": Augment(flip=True, shift=0.1),
    # P2: Keras' RandomFlip and RandomRotation(0.2), ±72 degrees.
    "paper": Augment(flip=True, rotation=0.2),
    # Like the best public recipes for FER2013: crops of 0.8 to 1.2 of the image's area, shift,
    # rotation by 10 degrees, brightness and contrast, a box erased from half of the images.
    "fer": Augment(
        flip=True,
        shift=0.1,
        rotation=10 / 360,
        zoom=0.1,
        brightness=0.3,
        contrast=0.3,
        erase=0.5,
        erase_area=(0.02, 0.2),
    ),
    "strong": Augment(
        flip=True,
        shift=0.05,
        rotation=0.04,
        zoom=0.1,
        random_resized_crop=(0.7, 1.0),
        brightness=0.2,
        contrast=0.2,
        erase=0.25,
        erase_area=(0.02, 0.2),
        mixup=0.2,
        cutmix=1.0,
    ),
}


def register_augmentation(name: str, augmentation: Augment | Augmentation) -> None:
    """Adds a user's own preset, or function on image batches, for `--augment=NAME`.

    A function (key, images uint8 [B, H, W, C], index int32 [B]) → images of the same shape, uint8
    or float in [0, 255], runs on the device inside the training step, before resize and
    normalisation. Draw with `jax.random.fold_in(key, index)`, so that an image's augmentation does
    not depend on the batch or the number of devices.

    Raises:
      UserError: the name is one of ferjax's own, or no identifier.
    """
    register("augment", name, augmentation, AUGMENTS)


def find_augmentation(name: str) -> Augment | Augmentation:
    """Returns a preset or a registered function by name; raises `UserError` if there is none."""
    return find("augment", name, AUGMENTS)


class Draw(NamedTuple):
    """Random augmentation parameters of a batch, for `preprocess.prepare`; None changes nothing."""

    geometry: Geometry | None
    colour: Colour | None
    erased: jax.Array | None


def draw(augment: Augment, key: jax.Array, index: jax.Array, shape: tuple[int, ...]) -> Draw:
    """Returns random augmentation parameters for a batch, independent for each image.

    Args:
      augment: the preset.
      key: random key of the training step.
      index: int32 [B], position of each image in its split. The parameters of an image depend on
        key and index alone, so they are the same on any number of devices.
      shape: (H, W) of the images. Shifts are whole source pixels, so that at native size pixels
        are copied and not interpolated.
    """
    return Draw(
        draw_geometry(augment, key, index, shape),
        _draw_colour(augment, key, index),
        _for_each_image(lambda key: _box(augment, key), key, index) if augment.erase else None,
    )


def draw_geometry(
    augment: Augment, key: jax.Array, index: jax.Array, shape: tuple[int, ...]
) -> Geometry | None:
    """Returns the geometry of a batch, None if the preset has no geometric change; see `draw`."""
    has_window = bool(augment.zoom) or augment.random_resized_crop != Augment.random_resized_crop
    if not (augment.flip or augment.shift or augment.rotation or has_window):
        return None

    def geometry_of_image(key: jax.Array) -> Geometry:
        flip_key, shift_key = jax.random.split(key)
        flip = jax.random.bernoulli(flip_key) & augment.flip
        side = jnp.array(shape)
        largest = jnp.floor(augment.shift * side).astype(jnp.int32)
        pixels = jax.random.randint(shift_key, (2,), -largest, largest + 1)
        geometry = Geometry(flip, pixels / side)
        if has_window:
            window, offset = _window(augment, key)
            geometry = geometry._replace(window=window, shift=geometry.shift - offset)
        if augment.rotation:
            angle = _symmetric(key, "rotation", 2 * math.pi * augment.rotation)
            geometry = geometry._replace(rotation=angle)
        return geometry

    return _for_each_image(geometry_of_image, key, index)


def _for_each_image(draw_one: Callable[[jax.Array], T], key: jax.Array, index: jax.Array) -> T:
    """Returns the results of `draw_one` for the key of each image, stacked."""
    return jax.vmap(lambda index: draw_one(jax.random.fold_in(key, index)))(index)


def _symmetric(key: jax.Array, stream: str, largest: float) -> jax.Array:
    """Returns a uniform float scalar between -largest and largest."""
    stream_key = jax.random.fold_in(key, _STREAMS[stream])
    return jax.random.uniform(stream_key, minval=-largest, maxval=largest)


def _rectangle(
    key: jax.Array, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[jax.Array, jax.Array]:
    """Returns height and width [2], and top and left [2], of a rectangle in the unit square."""
    area_key, ratio_key, position_key = jax.random.split(key, 3)
    area_drawn = jax.random.uniform(area_key, minval=area[0], maxval=area[1])
    low, high = (math.log(value) / 2 for value in ratio)
    root = jnp.exp(jax.random.uniform(ratio_key, minval=low, maxval=high))
    sides = jnp.minimum(jnp.sqrt(area_drawn) * jnp.stack([1 / root, root]), 1.0)
    return sides, jax.random.uniform(position_key, (2,)) * (1 - sides)


def _window(augment: Augment, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the visible window of an image: sides [2], and offset [2] from the image's centre."""
    crop_key = jax.random.fold_in(key, _STREAMS["crop"])
    sides, corner = _rectangle(crop_key, augment.random_resized_crop, _CROP_RATIO)
    if augment.random_resized_crop == Augment.random_resized_crop:
        # Without this the random aspect ratio would crop the image.
        sides, corner = jnp.ones(2), jnp.zeros(2)
    return sides * (1 + _symmetric(key, "zoom", augment.zoom)), corner + sides / 2 - 0.5


def _draw_colour(augment: Augment, key: jax.Array, index: jax.Array) -> Colour | None:
    """Returns the colour factors of a batch, None if the preset changes no colour."""
    if not (augment.brightness or augment.contrast):
        return None

    def colour_of_image(key: jax.Array) -> Colour:
        return Colour(
            1 + _symmetric(key, "brightness", augment.brightness),
            1 + _symmetric(key, "contrast", augment.contrast),
        )

    return _for_each_image(colour_of_image, key, index)


def _box(augment: Augment, key: jax.Array) -> jax.Array:
    """Returns the box [4] to erase from one image, empty with probability 1 - `augment.erase`."""
    erase_key, key = jax.random.split(jax.random.fold_in(key, _STREAMS["erase"]))
    sides, corner = _rectangle(key, augment.erase_area, _ERASE_RATIO)
    sides = sides * jax.random.bernoulli(erase_key, augment.erase)
    return jnp.concatenate([corner, corner + sides])
