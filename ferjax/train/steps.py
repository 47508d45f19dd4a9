"""The pure step functions: one training step, one batch of logits."""

import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from ferjax.augment import Augment, draw
from ferjax.mixing import dominant, draw_mix, mix_inputs, mix_targets
from ferjax.preprocess import network_input
from ferjax.rng import stream_key
from ferjax.specs import InputSpec
from ferjax.train.losses import LOSSES, soft_targets
from ferjax.train.state import TrainState
from ferjax.tree import merge_trees, split_tree
from ferjax.tta import averaged

NEVER = np.iinfo(np.int32).max


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
    *,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    spec: InputSpec,
    augment: Augment,
    label_smoothing: float,
    class_weights: np.ndarray | None,
    seed: int,
    frozen: str | None = None,
    loss: str = "cross_entropy",
) -> tuple[TrainState, Sums]:
    """Returns state and sums after one step.

    Args:
      state: before the step.
      sums: the epoch's so far.
      batch: `image` uint8 [B, H, W, C], `label` int32 [B], `mask` bool [B], `index` int32 [B];
        optional `target` float32 [B, K], soft labels that the loss takes in the place of `label`.
      model: the network.
      optimizer: whose slots `state` holds.
      spec: how images become input.
      augment: the preset.
      label_smoothing: 0 to 1.
      class_weights: float [K] or None.
      seed: the run's seed; this step's keys are derived from it.
      frozen: regular expression on paths of parameters that stay as they are.
      loss: a name of `LOSSES`.
    """
    shape, labels = batch["image"].shape[1:3], batch["label"]
    key = stream_key(seed, "augment", state.step)
    images = network_input(batch["image"], spec, *draw(augment, key, batch["index"], shape))
    targets = batch.get("target", labels)
    mix = draw_mix(augment.mixup, augment.cutmix, key, batch["index"], batch["mask"], spec.size)
    if mix is not None:
        images, labels = mix_inputs(images, mix), dominant(labels, mix)

    trained, kept = split_tree(state.params, frozen)

    def loss_fn(trained: Any) -> tuple[jax.Array, tuple[Any, Any, jax.Array]]:
        logits, updates = model.apply(
            {"params": merge_trees(trained, kept), "batch_stats": state.batch_stats},
            images,
            train=True,
            rngs={"dropout": stream_key(seed, "dropout", state.step)},
            mutable=["batch_stats"],
        )
        soft = targets if mix is None else mix_targets(soft_targets(targets, logits.shape[-1]), mix)
        losses, weights = LOSSES[loss](
            logits,
            soft,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
        )
        weights = weights * batch["mask"]
        # Weights of zero throughout (a batch of masked rows) must not divide by zero.
        mean = (losses * weights).sum() / jnp.maximum(weights.sum(), 1e-12)
        return mean, (logits, updates.get("batch_stats", {}), weights.sum())

    gradient_fn = jax.value_and_grad(loss_fn, has_aux=True)
    (mean, (logits, batch_stats, weight)), gradients = gradient_fn(trained)
    updates, opt_state = optimizer.update(gradients, state.opt_state, trained)
    correct = (logits.argmax(-1) == labels) & batch["mask"]
    after = TrainState(
        step=state.step + 1,
        params=merge_trees(typing.cast(Any, optax.apply_updates(trained, updates)), kept),
        batch_stats=batch_stats,
        opt_state=opt_state,
    )
    return after, Sums(
        loss=sums.loss + mean * weight,
        weight=sums.weight + weight,
        correct=sums.correct + correct.sum(dtype=jnp.int32),
        count=sums.count + batch["mask"].sum(dtype=jnp.int32),
        broken=jnp.where(jnp.isfinite(mean), sums.broken, jnp.minimum(sums.broken, state.step)),
    )


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
