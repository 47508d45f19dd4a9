"""Training-time augmentation on the device: presets, and what each draws for a batch."""

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

# `split` of an image's key gave flip and shift theirs before there was more to draw; folding in
# these numbers leaves those draws as they were.
_STREAMS = {"rotation": 2, "zoom": 3, "crop": 4, "brightness": 5, "contrast": 6, "erase": 7}
_CROP_RATIO = (3 / 4, 4 / 3)
_ERASE_RATIO = (0.3, 3.3)


@dataclass(frozen=True)
class Augment:
    """An augmentation preset; what is 0, False or whole does nothing.

    Attributes:
      flip: mirror half of the images.
      shift: largest move of the image in each direction, as a fraction of its side.
      rotation: largest turn either way, as a fraction of a full turn (Keras' RandomRotation).
      zoom: largest change of the side that is seen, either way, as a fraction of it.
      random_resized_crop: smallest and largest area seen, as fractions of the image's; the aspect
        ratio is drawn between 3:4 and 4:3, logarithmically.
      brightness: largest change of the factor 1 of every pixel.
      contrast: largest change of the factor 1 of the distance from the mean grey.
      erase: probability that a rectangle is erased.
      erase_area: its smallest and largest area; its aspect ratio lies between 0.3 and 3.3.
      mixup: alpha of the Beta distribution that images are blended by (Zhang et al., 2018).
      cutmix: alpha of the one that patches are swapped by (Yun et al., 2019). With both, every
        image tosses a coin.
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
    """Adds a preset, or a function on image batches, of the user's own for `--augment=NAME`.

    A function (key, images uint8 [B, H, W, C], index int32 [B]) → images of the same shape, uint8
    or float in [0, 255], runs on the device inside the training step, before resize and
    normalisation. Draw with `jax.random.fold_in(key, index)`, so that an image's augmentation does
    not depend on the batch or the number of devices.

    Raises:
      UserError: the name is one of ferjax's own, or no identifier.
    """
    register("augment", name, augmentation, AUGMENTS)


def find_augmentation(name: str) -> Augment | Augmentation:
    """Returns a preset or a registered function by name; raises `UserError` where there is none."""
    return find("augment", name, AUGMENTS)


class Draw(NamedTuple):
    """What `preprocess.prepare` takes beside images and spec; None is what nothing changes."""

    geometry: Geometry | None
    colour: Colour | None
    erased: jax.Array | None


def draw(augment: Augment, key: jax.Array, index: jax.Array, shape: tuple[int, ...]) -> Draw:
    """Returns all that a batch's images go through, each on its own.

    Args:
      augment: the preset.
      key: the step's key.
      index: int32 [B], each image's position in its split. An image's draws depend on key and
        index alone, so they are the same on any number of devices.
      shape: (H, W) of the images. Shifts are whole source pixels: a resample at native size copies.
    """
    return Draw(
        draw_geometry(augment, key, index, shape),
        _draw_colour(augment, key, index),
        _each(lambda key: _box(augment, key), key, index) if augment.erase else None,
    )


def draw_geometry(
    augment: Augment, key: jax.Array, index: jax.Array, shape: tuple[int, ...]
) -> Geometry | None:
    """Returns the geometry of a batch, or None where the preset moves nothing; see `draw`."""
    windowed = bool(augment.zoom) or augment.random_resized_crop != Augment.random_resized_crop
    if not (augment.flip or augment.shift or augment.rotation or windowed):
        return None

    def one(key: jax.Array) -> Geometry:
        flip_key, shift_key = jax.random.split(key)
        flip = jax.random.bernoulli(flip_key) & augment.flip
        side = jnp.array(shape)
        reach = jnp.floor(augment.shift * side)
        pixels = jnp.round(jax.random.uniform(shift_key, (2,), minval=-reach, maxval=reach))
        geometry = Geometry(flip, pixels / side)
        if windowed:
            window, centre = _window(augment, key)
            geometry = geometry._replace(window=window, shift=geometry.shift - centre)
        if augment.rotation:
            turn = _symmetric(key, "rotation", 2 * math.pi * augment.rotation)
            geometry = geometry._replace(rotation=turn)
        return geometry

    return _each(one, key, index)


def _each(draw_one: Callable[[jax.Array], T], key: jax.Array, index: jax.Array) -> T:
    """Returns `draw_one` of every image's own key."""
    return jax.vmap(lambda index: draw_one(jax.random.fold_in(key, index)))(index)


def _symmetric(key: jax.Array, stream: str, reach: float) -> jax.Array:
    """Returns a uniform float scalar between -reach and reach."""
    own = jax.random.fold_in(key, _STREAMS[stream])
    return jax.random.uniform(own, minval=-reach, maxval=reach)


def _rectangle(
    key: jax.Array, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[jax.Array, jax.Array]:
    """Returns height and width [2], and top and left [2], of a rectangle within the unit square."""
    area_key, ratio_key, place_key = jax.random.split(key, 3)
    drawn = jax.random.uniform(area_key, minval=area[0], maxval=area[1])
    low, high = (math.log(value) / 2 for value in ratio)
    root = jnp.exp(jax.random.uniform(ratio_key, minval=low, maxval=high))
    sides = jnp.minimum(jnp.sqrt(drawn) * jnp.stack([1 / root, root]), 1.0)
    return sides, jax.random.uniform(place_key, (2,)) * (1 - sides)


def _window(augment: Augment, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns what is seen of an image: sides [2] and centre [2], from the image's own centre."""
    own = jax.random.fold_in(key, _STREAMS["crop"])
    sides, corner = _rectangle(own, augment.random_resized_crop, _CROP_RATIO)
    if augment.random_resized_crop == Augment.random_resized_crop:
        # The aspect ratio alone would cut a whole image.
        sides, corner = jnp.ones(2), jnp.zeros(2)
    return sides * (1 + _symmetric(key, "zoom", augment.zoom)), corner + sides / 2 - 0.5


def _draw_colour(augment: Augment, key: jax.Array, index: jax.Array) -> Colour | None:
    if not (augment.brightness or augment.contrast):
        return None

    def one(key: jax.Array) -> Colour:
        return Colour(
            1 + _symmetric(key, "brightness", augment.brightness),
            1 + _symmetric(key, "contrast", augment.contrast),
        )

    return _each(one, key, index)


def _box(augment: Augment, key: jax.Array) -> jax.Array:
    """Returns the box [4] to erase of one image, empty where the coin says so."""
    coin, key = jax.random.split(jax.random.fold_in(key, _STREAMS["erase"]))
    sides, corner = _rectangle(key, augment.erase_area, _ERASE_RATIO)
    sides = sides * jax.random.bernoulli(coin, augment.erase)
    return jnp.concatenate([corner, corner + sides])
