"""The training step and the prediction step: pure functions of state and batch."""

import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from ferjax.images.preprocess import network_input
from ferjax.images.test_time_augmentation import averaged
from ferjax.runtime.random_keys import stream_key
from ferjax.runtime.variable_tree import merge_trees, split_tree
from ferjax.specs import InputSpec
from ferjax.training.augmented_views import TRUNK, augmented_views
from ferjax.training.forward_pass import evaluation_logits, training_logits
from ferjax.training.gradient_accumulation import BatchSums, accumulate_gradients
from ferjax.training.state import TrainState, averaged_parameters
from ferjax.training.step_settings import StepSettings, check_loss_shapes

# Value of `EpochSums.broken` while all steps were finite.
NEVER = np.iinfo(np.int32).max


class EpochSums(NamedTuple):
    """Running sums over an epoch's augmented training batches.

    Attributes:
      loss: float scalar, sum of the weighted losses.
      weight: float scalar, sum of the weights.
      correct: int32 scalar, images whose highest logit is their label (in a mix of two images, the
        label of the larger share).
      count: int32 scalar, augmented images seen.
      broken: int32 scalar, the first step (from 0) whose loss, gradient or new parameters were not
        finite, or `NEVER`.
    """

    loss: Any
    weight: Any
    correct: Any
    count: Any
    broken: Any


def zero_sums(dtype: Any = np.float32) -> EpochSums:
    """Returns the sums at the start of an epoch, on the host; `dtype` is that of the loss."""
    zero = np.zeros((), np.int32)
    return EpochSums(
        np.zeros((), dtype), np.zeros((), dtype), zero, zero, np.array(NEVER, np.int32)
    )


def train_step(
    state: TrainState,
    sums: EpochSums,
    batch: Mapping[str, jax.Array],
    scale: jax.Array | float = 1.0,
    *,
    settings: StepSettings,
) -> tuple[TrainState, EpochSums]:
    """Returns state and sums after one training step; a pure function, to be jitted by the caller.

    Args:
      state: before the step.
      sums: the epoch's sums before the step.
      batch: `image` uint8 [B, H, W, C], `label` int32 [B], `mask` bool [B], `index` int32 [B];
        `images` uint8 [N, H, W, C], all images of the split on every device, may replace `image`;
        optional `target` float32 [B, K], soft labels that replace `label` in the loss; with
        `settings.stored_branch` also `feature` float32 [B, V, ...]; with `settings.teachers` also
        `teachers`, the variables of each teacher.
      scale: factor on the learning rate, which the host changes (plateau, retry after NaN).
      settings: the settings that are fixed at compilation.
    """
    if "images" in batch:
        batch = {**batch, "image": batch["images"][batch["index"]]}
    key = stream_key(settings.seed, "augment", state.step)
    inputs, targets, labels, feature = augmented_views(key, batch, settings)
    mask = jnp.repeat(batch["mask"], settings.views)
    branch = None if settings.stored_branch == TRUNK else settings.stored_branch
    trained, untrained = split_tree(state.params, settings.frozen)

    def part_loss(
        trained: Any, batch_stats: Any, part: Mapping[str, Any], key: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, Any]]:
        """Returns the sum of weighted losses; sums of weights and hits; batch statistics."""
        logits, batch_stats = training_logits(
            settings.model,
            merge_trees(trained, untrained),
            batch_stats,
            part["inputs"],
            key,
            frozen=settings.frozen,
            stored={branch: part["feature"]} if branch else None,
        )
        losses, weights = settings.loss(
            logits,
            part["targets"],
            label_smoothing=settings.label_smoothing,
            class_weights=settings.class_weights,
        )
        check_loss_shapes(settings.loss, losses, weights, len(part["mask"]))
        weights = weights * part["mask"]
        hits = (logits.argmax(-1) == part["labels"]) & part["mask"]
        return (losses * weights).sum(), (weights.sum(), hits.sum(dtype=jnp.int32), batch_stats)

    whole_batch = {"inputs": inputs, "targets": targets, "labels": labels, "mask": mask}
    if branch:
        whole_batch["feature"] = feature
    key = stream_key(settings.seed, "dropout", state.step)

    def sums_and_gradients(trained: Any) -> tuple[BatchSums, Any]:
        parts = settings.accumulate
        return accumulate_gradients(part_loss, trained, state.batch_stats, whole_batch, key, parts)

    batch_sums, gradients = sums_and_gradients(trained)
    # Sharpness-aware minimisation computes the gradient at another point too.
    extra_arguments = {"grad_fn": lambda trained, _: sums_and_gradients(trained)[1]}
    updates, opt_state = settings.optimizer.update(
        gradients, state.opt_state, trained, **extra_arguments
    )
    rate = settings.rate(state.step) * scale
    updates = jax.tree.map(lambda u: (u * rate).astype(u.dtype), updates)
    if (factors := settings.rate_factors) is not None:
        updates = jax.tree.map(lambda u, factor: (u * factor).astype(u.dtype), updates, factors)
    trained = typing.cast(Any, optax.apply_updates(trained, updates))
    mean_loss = batch_sums.loss / jnp.maximum(batch_sums.weight, 1e-12)
    # Each of ferjax's optimizers turns a gradient that is not finite into such a parameter.
    finite = jnp.isfinite(mean_loss) & _are_finite(trained)
    ema = settings.ema
    new_state = TrainState(
        step=state.step + 1,
        params=merge_trees(trained, untrained),
        batch_stats=batch_sums.batch_stats,
        opt_state=opt_state,
        ema=averaged_parameters(state.ema, trained, state.step, ema) if ema else None,
    )
    return new_state, EpochSums(
        loss=sums.loss + batch_sums.loss,
        weight=sums.weight + batch_sums.weight,
        correct=sums.correct + batch_sums.correct,
        count=sums.count + mask.sum(dtype=jnp.int32),
        broken=jnp.where(finite, sums.broken, jnp.minimum(sums.broken, state.step)),
    )


def _are_finite(tree: Any) -> jax.Array:
    """Returns whether all values of a tree are finite, bool scalar.

    If a value is not finite, the sum is not finite. On CPU a sum is vectorised and keeps NaN. A
    maximum loses NaN there, and `isfinite` of every value takes three times as long.
    """
    return jnp.isfinite(sum(leaf.sum() for leaf in jax.tree.leaves(tree)))


def predict_step(
    variables: Mapping[str, Any],
    images: jax.Array,
    *,
    model: nn.Module,
    spec: InputSpec,
    tta: str = "none",
) -> jax.Array:
    """Returns logits float [B, K] for uint8 images [B, H, W, C], in evaluation mode.

    With test-time augmentation (`tta`, a name of `images.test_time_augmentation.VIEWS`) they are
    the logarithms of the views' mean probabilities.
    """
    return averaged(
        lambda inputs: jnp.asarray(model.apply(variables, inputs, train=False)), images, spec, tta
    )


def predict_step_from_features(
    variables: Mapping[str, Any],
    batch: Mapping[str, jax.Array],
    *,
    model: nn.Module,
    spec: InputSpec,
    stored_branch: str,
) -> jax.Array:
    """Returns logits float [B, K] in evaluation mode from stored outputs of a frozen branch.

    Args:
      variables: the variables of `model`; others are ignored.
      batch: `image` uint8 [B, H, W, C] and `feature` float32 [B, V, ...].
      model: as in `StepSettings`.
      spec: how images become network input.
      stored_branch: as in `StepSettings`.
    """
    feature = batch["feature"][:, 0]
    if stored_branch == TRUNK:
        return jnp.asarray(model.apply(variables, feature, train=False))
    inputs = network_input(batch["image"], spec)
    return evaluation_logits(model, variables, inputs, {stored_branch: feature})
