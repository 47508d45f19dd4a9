"""Makes augmented network input from uint8 images, by a preset or a user's own function."""

import jax
import jax.numpy as jnp

from ferjax.images.augment import Augment, Augmentation, draw, find_augmentation
from ferjax.images.mixup_cutmix import Mix, draw_mix, mix_inputs
from ferjax.images.preprocess import check_pixels, prepare, prepare_floats
from ferjax.specs import InputSpec


def augment(
    images: jax.Array,
    spec: InputSpec,
    augmentation: str | Augment | Augmentation,
    key: jax.Array,
    index: jax.Array,
) -> jax.Array:
    """Returns augmented network input float32 [B, size, size, channels], on the device.

    Geometry and resize are one resample; colour, erasing and normalisation follow. Mixup and cutmix
    are not applied here: they blend targets too and belong to the training step.

    Args:
      images: uint8 [B, H, W, 1 or 3].
      spec: how images become network input.
      augmentation: a name (`flip`, `standard`, `paper`, `fer`, `strong`, registered ones), a
        preset, or a function as in `register_augmentation`.
      key: random key of the step.
      index: int32 [B], positions of the images in their split: an image's augmentation follows from
        key and position alone.

    Raises:
      UserError: an unknown name, or images of floats.
    """
    if isinstance(augmentation, str):
        augmentation = find_augmentation(augmentation)
    if isinstance(augmentation, Augment):
        return prepare(images, spec, *draw(augmentation, key, index, images.shape[1:3]))
    check_pixels(images)
    return prepare_floats(augmentation(key, images, index), spec)


def augment_and_mix(
    images: jax.Array,
    spec: InputSpec,
    augmentation: str | Augment | Augmentation,
    key: jax.Array,
    index: jax.Array,
) -> tuple[jax.Array, Mix | None]:
    """Returns the network input of a training step with this key, and how images were blended.

    Args:
      images: uint8 [B, H, W, 1 or 3], a whole batch without padding.
      spec: how images become network input.
      augmentation: as in `augment`.
      key: random key of the step.
      index: int32 [B], positions of the images in their split.

    Returns:
      float32 [B, size, size, channels], and partners and shares of mixup and cutmix, or None.

    Raises:
      UserError: an unknown name, or images of floats.
    """
    if isinstance(augmentation, str):
        augmentation = find_augmentation(augmentation)
    inputs = augment(images, spec, augmentation, key, index)
    if not isinstance(augmentation, Augment):
        return inputs, None
    mask = jnp.ones(len(index), bool)
    mix = draw_mix(
        augmentation.mixup, augmentation.cutmix, key, jnp.asarray(index), mask, spec.size
    )
    return (inputs, None) if mix is None else (jnp.asarray(mix_inputs(inputs, mix)), mix)
