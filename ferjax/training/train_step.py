"""The pure step functions: one training step, one batch of logits."""

import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from ferjax.images.augment import Augment, draw
from ferjax.images.geometry import Geometry
from ferjax.images.mixup_cutmix import dominant, draw_mix, mix_inputs, mix_targets
from ferjax.images.preprocess import network_input
from ferjax.images.test_time_augmentation import averaged
from ferjax.runtime.random_keys import stream_key
from ferjax.runtime.variable_tree import merge_trees, split_tree
from ferjax.specs import InputSpec
from ferjax.training.forward_pass import evaluation_logits, training_logits
from ferjax.training.gradient_accumulation import Summed, accumulated
from ferjax.training.losses import LOSSES, soft_targets
from ferjax.training.state import TrainState, averaged_parameters

NEVER = np.iinfo(np.int32).max
# What a batch's features stand for where they are all that enters the head.
TRUNK = "trunk"


class Sums(NamedTuple):
    """Running sums over an epoch's augmented training batches.

    Attributes:
      loss: float scalar, sum of the weighted losses.
      weight: float scalar, sum of the weights.
      correct: int32 scalar, images whose highest logit is their label (of a blend: of most of it).
      count: int32 scalar, images seen.
      broken: int32 scalar, the first step whose loss was not finite, or `NEVER`.
    """

    loss: Any
    weight: Any
    correct: Any
    count: Any
    broken: Any


def zero_sums(dtype: Any = np.float32) -> Sums:
    """Returns the sums at the start of an epoch, on the host; `dtype` is that of the loss."""
    zero = np.zeros((), np.int32)
    return Sums(np.zeros((), dtype), np.zeros((), dtype), zero, zero, np.array(NEVER, np.int32))


def train_step(
    state: TrainState,
    sums: Sums,
    batch: Mapping[str, jax.Array],
    scale: jax.Array | float = 1.0,
    *,
    model: nn.Module,
    optimizer: optax.GradientTransformationExtraArgs,
    rate: optax.Schedule,
    spec: InputSpec,
    augment: Augment,
    label_smoothing: float,
    class_weights: np.ndarray | None,
    seed: int,
    frozen: str | None = None,
    loss: str = "cross_entropy",
    known: str | None = None,
    factors: Any = None,
    accumulate: int = 1,
    ema: float | None = None,
) -> tuple[TrainState, Sums]:
    """Returns state and sums after one step.

    Args:
      state: before the step.
      sums: the epoch's so far.
      batch: `image` uint8 [B, H, W, C], `label` int32 [B], `mask` bool [B], `index` int32 [B];
        optional `target` float32 [B, K], soft labels that the loss takes in the place of `label`;
        with `known` also `feature` float32 [B, V, ...].
      scale: of the learning rate, what the host has learnt on the way.
      model: the network, or with `known="trunk"` its head alone.
      optimizer: from `make_optimizer`, whose slots `state` holds; its updates are those of rate 1.
      rate: the learning rate by the run's step.
      spec: how images become input.
      augment: the preset.
      label_smoothing: 0 to 1.
      class_weights: float [K] or None.
      seed: the run's seed; this step's keys are derived from it.
      frozen: regular expression on paths of parameters that stay as they are: they are not
        differentiated, and what is below all that is trained has no backward pass.
      loss: a name of `LOSSES`.
      known: what `feature` stands for: `trunk`, all that enters the head, or the path of a
        submodule; None where everything is computed.
      factors: tree of each trained parameter's share of the rate, or None for 1 throughout.
      accumulate: parts that the batch is cut into, one after the other through the network.
      ema: decay of the moving average that `state.ema` holds.
    """
    shape, labels = batch["image"].shape[1:3], batch["label"]
    key = stream_key(seed, "augment", state.step)
    drawn = draw(augment, key, batch["index"], shape)
    feature = _known_feature(batch, drawn.geometry) if known else None
    targets = batch.get("target", labels)
    inputs: Any = feature if known == TRUNK else network_input(batch["image"], spec, *drawn)
    mix = draw_mix(augment.mixup, augment.cutmix, key, batch["index"], batch["mask"], spec.size)
    if mix is not None:
        inputs, labels = mix_inputs(inputs, mix), dominant(labels, mix)
        classes = typing.cast(Any, model).num_classes
        targets = mix_targets(soft_targets(targets, classes), mix)
    trained, kept = split_tree(state.params, frozen)

    def part_loss(
        trained: Any, batch_stats: Any, part: Mapping[str, Any], key: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, Any]]:
        """Returns the sum of weighted losses; and of weights, of hits, and the statistics."""
        logits, batch_stats = training_logits(
            model,
            merge_trees(trained, kept),
            batch_stats,
            part["inputs"],
            key,
            frozen=frozen,
            known={known: part["feature"]} if known and known != TRUNK else None,
        )
        losses, weights = LOSSES[loss](
            logits,
            part["targets"],
            label_smoothing=label_smoothing,
            class_weights=class_weights,
        )
        weights = weights * part["mask"]
        hits = (logits.argmax(-1) == part["labels"]) & part["mask"]
        return (losses * weights).sum(), (weights.sum(), hits.sum(dtype=jnp.int32), batch_stats)

    whole = {"inputs": inputs, "targets": targets, "labels": labels, "mask": batch["mask"]}
    if known and known != TRUNK:
        whole["feature"] = feature
    key = stream_key(seed, "dropout", state.step)

    def summed(trained: Any) -> tuple[Summed, Any]:
        return accumulated(part_loss, trained, state.batch_stats, whole, key, accumulate)

    found, gradients = summed(trained)
    more = {"grad_fn": lambda trained, _: summed(trained)[1]}
    updates, opt_state = optimizer.update(gradients, state.opt_state, trained, **more)
    now = rate(state.step) * scale
    updates = jax.tree.map(lambda u: (u * now).astype(u.dtype), updates)
    if factors is not None:
        updates = jax.tree.map(lambda u, factor: (u * factor).astype(u.dtype), updates, factors)
    trained = typing.cast(Any, optax.apply_updates(trained, updates))
    mean = found.loss / jnp.maximum(found.weight, 1e-12)
    after = TrainState(
        step=state.step + 1,
        params=merge_trees(trained, kept),
        batch_stats=found.batch_stats,
        opt_state=opt_state,
        ema=averaged_parameters(state.ema, trained, state.step, ema) if ema else None,
    )
    return after, Sums(
        loss=sums.loss + found.loss,
        weight=sums.weight + found.weight,
        correct=sums.correct + found.correct,
        count=sums.count + batch["mask"].sum(dtype=jnp.int32),
        broken=jnp.where(jnp.isfinite(mean), sums.broken, jnp.minimum(sums.broken, state.step)),
    )


def _known_feature(batch: Mapping[str, jax.Array], geometry: Geometry | None) -> jax.Array:
    """Returns each image's stored feature [B, ...]: its mirror image's where that was drawn."""
    stored = batch["feature"]
    if stored.shape[1] == 1 or geometry is None:
        return stored[:, 0]
    flip = geometry.flip.reshape(-1, *(1,) * (stored.ndim - 2))
    return jnp.where(flip, stored[:, 1], stored[:, 0])


def predict_step(
    variables: Mapping[str, Any],
    images: jax.Array,
    *,
    model: nn.Module,
    spec: InputSpec,
    tta: str = "none",
) -> jax.Array:
    """Returns logits float [B, K] for uint8 images [B, H, W, C], in evaluation mode.

    With test-time augmentation, a name of `tta.VIEWS`: the log of the views' mean probabilities.
    """
    return averaged(
        lambda inputs: jnp.asarray(model.apply(variables, inputs, train=False)), images, spec, tta
    )


def known_step(
    variables: Mapping[str, Any],
    batch: Mapping[str, jax.Array],
    *,
    model: nn.Module,
    spec: InputSpec,
    known: str,
) -> jax.Array:
    """Returns logits float [B, K] in evaluation mode, a frozen branch's outputs being stored.

    Args:
      variables: of `model`; more than it has does no harm.
      batch: `image` uint8 [B, H, W, C] and `feature` float32 [B, V, ...].
      model: as in `train_step`.
      spec: how images become input.
      known: as in `train_step`.
    """
    feature = batch["feature"][:, 0]
    if known == TRUNK:
        return jnp.asarray(model.apply(variables, feature, train=False))
    inputs = network_input(batch["image"], spec)
    return evaluation_logits(model, variables, inputs, {known: feature})
