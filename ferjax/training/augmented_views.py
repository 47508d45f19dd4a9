"""Input of a training step: augmented views of a batch, mixup and cutmix, and the targets."""

import typing
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ferjax.images.augment import Augment, draw
from ferjax.images.geometry import Geometry
from ferjax.images.mixup_cutmix import dominant, draw_mix, mix_inputs, mix_targets
from ferjax.images.preprocess import check_pixels, network_input
from ferjax.specs import InputSpec
from ferjax.training.losses import soft_targets
from ferjax.training.step_settings import StepSettings

# The name of a frozen branch that is everything below the head.
TRUNK = "trunk"


def augmented_views(
    key: jax.Array, batch: Mapping[str, jax.Array], settings: StepSettings
) -> tuple[Any, jax.Array, jax.Array, jax.Array | None]:
    """Returns the inputs and targets of all views of a batch; views of an image are adjacent."""
    if settings.views == 1:
        return _inputs_and_targets(key, batch, settings)
    # The images' axis is the outer one, so the views of an image stay on its device.
    views = jax.vmap(lambda key: _inputs_and_targets(key, batch, settings), out_axes=1)(
        jax.random.split(key, settings.views)
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), views)


def _inputs_and_targets(
    key: jax.Array, batch: Mapping[str, jax.Array], settings: StepSettings
) -> tuple[Any, jax.Array, jax.Array, jax.Array | None]:
    """Returns network inputs, loss targets, labels and stored features of an augmented batch."""
    images, labels, spec = batch["image"], batch["label"], settings.spec
    check_pixels(images)
    targets = batch.get("target", labels)
    if not isinstance(settings.augment, Augment):
        images = settings.augment(key, images, batch["index"])
        targets = _with_teachers(targets, batch, settings, lambda spec: network_input(images, spec))
        return network_input(images, spec), targets, labels, None
    augmentation = draw(settings.augment, key, batch["index"], images.shape[1:3])
    targets = _with_teachers(
        targets, batch, settings, lambda spec: network_input(images, spec, *augmentation)
    )
    feature = _drawn_feature(batch, augmentation.geometry) if settings.stored_branch else None
    trunk = settings.stored_branch == TRUNK
    inputs: Any = feature if trunk else network_input(images, spec, *augmentation)
    mixup, cutmix = settings.augment.mixup, settings.augment.cutmix
    mix = draw_mix(mixup, cutmix, key, batch["index"], batch["mask"], spec.size)
    if mix is not None:
        inputs, labels = mix_inputs(inputs, mix), dominant(labels, mix)
        classes = typing.cast(Any, settings.model).num_classes
        targets = mix_targets(soft_targets(targets, classes), mix)
    return inputs, targets, labels, feature


def _with_teachers(
    targets: jax.Array,
    batch: Mapping[str, Any],
    settings: StepSettings,
    input_of: Callable[[InputSpec], Any],
) -> jax.Array:
    """Returns the targets blended with the teachers' mean probabilities, float [B, K].

    Args:
      targets: labels int [B] or soft targets float [B, K].
      batch: with `teachers`, the variables of each teacher.
      settings: the settings of the step.
      input_of: (spec) → the augmented images as the input of a network.

    References:
      Hinton et al., Distilling the Knowledge in a Neural Network, 2015, at temperature 1; Beyer et
      al., Knowledge distillation: A good teacher is patient and consistent, CVPR 2022 (teacher and
      student see the same view).
    """
    if not settings.teachers:
        return targets
    probabilities = [
        jax.nn.softmax(jnp.asarray(model.apply(variables, input_of(spec), train=False)))
        for (model, spec), variables in zip(settings.teachers, batch["teachers"], strict=True)
    ]
    teacher_targets = jnp.stack(probabilities).mean(0)
    own_targets = soft_targets(targets, teacher_targets.shape[-1]).astype(teacher_targets.dtype)
    return (1 - settings.teacher_weight) * own_targets + settings.teacher_weight * teacher_targets


def _drawn_feature(batch: Mapping[str, jax.Array], geometry: Geometry | None) -> jax.Array:
    """Returns the stored feature of each image, or of its mirror image if flipped, [B, ...]."""
    features = batch["feature"]
    if features.shape[1] == 1 or geometry is None:
        return features[:, 0]
    flip = geometry.flip.reshape(-1, *(1,) * (features.ndim - 2))
    return jnp.where(flip, features[:, 1], features[:, 0])
