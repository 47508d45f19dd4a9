"""State, training step and logits for a training loop of your own."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optax
from flax import linen as nn
from jax.sharding import Mesh

from ferjax.data.splits.split import Split
from ferjax.images.augment import Augment, Augmentation, find_augmentation
from ferjax.runs.split_evaluator import evaluator
from ferjax.runtime.sharding import (
    check_batch_size,
    compiled,
    data_mesh,
    devices_for,
    replicated,
)
from ferjax.specs import InputSpec
from ferjax.training.losses import find_loss
from ferjax.training.state import TrainState, create_state
from ferjax.training.step_settings import Loss, StepSettings
from ferjax.training.train_step import EpochSums, train_step

# (state, sums, batch) → (state, sums)
Step = Callable[..., tuple[TrainState, EpochSums]]


def init_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    spec: InputSpec,
    *,
    seed: int = 0,
    mesh: Mesh | None = None,
    variables: Mapping[str, np.ndarray] | None = None,
    frozen: str | None = None,
    ema: bool = False,
) -> TrainState:
    """Returns the training state at step 0, which depends only on the arguments.

    Args:
      model: a Linen module whose `__call__(x, *, train)` returns logits float [B, K].
      optimizer: any optax transformation.
      spec: how images become its input.
      seed: seed of the initial parameters.
      mesh: devices that hold the state; None: all devices.
      variables: path (`params/conv1/kernel`) → initial value, for instance
        `load_pretrained(...).variables`; variables that are absent are initialised.
      frozen: regular expression on parameter paths that are never trained.
      ema: whether to keep a moving average of the parameters.
    """
    return create_state(
        model,
        optimizer,
        spec,
        seed,
        mesh or data_mesh(),
        frozen=frozen,
        initial_values=variables,
        ema=ema,
    )


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    spec: InputSpec,
    *,
    rate: float | optax.Schedule = 1.0,
    loss: str | Loss = "cross_entropy",
    augment: str | Augment | Augmentation = "none",
    mesh: Mesh | None = None,
    **settings: Any,
) -> Step:
    """Returns the compiled training step (state, sums, batch) → (state, sums).

    The step augments, resizes and normalises uint8 images on the device, computes the gradient and
    applies the optimizer. State and sums are donated: use the returned ones.

    Args:
      model: as in `init_state`.
      optimizer: the optimizer that was passed to `init_state`. Its updates are multiplied by
        `rate`: leave `rate` at 1 for `optax.adam(1e-3)`, or build the optimizer with a learning
        rate of 1.
      spec: how images become network input.
      rate: a number, or a schedule: step → number.
      loss: a name of `--loss`, or a function like `ferjax.training.losses.cross_entropy`.
      augment: a name of `--augment`, an `Augment`, or a function (key, images, index) → images.
      mesh: as in `init_state`.
      **settings: more fields of `StepSettings`: `seed`, `label_smoothing`, `class_weights`,
        `frozen`, `accumulate`, `ema`.

    Raises:
      UserError: an unknown loss or augmentation.
    """
    step_settings = StepSettings(
        model=model,
        optimizer=optax.with_extra_args_support(optimizer),
        rate=rate if callable(rate) else lambda step: rate,
        spec=spec,
        loss=find_loss(loss) if isinstance(loss, str) else loss,
        augment=find_augmentation(augment) if isinstance(augment, str) else augment,
        **settings,
    )
    mesh = mesh or data_mesh()
    step = functools.partial(train_step, settings=step_settings)
    return compiled(step, mesh, donate_argnums=(0, 1), out_shardings=replicated(mesh))


def split_logits(
    model: nn.Module,
    spec: InputSpec,
    variables: Mapping[str, Any],
    split: Split,
    *,
    batch_size: int = 64,
    mesh: Mesh | None = None,
) -> np.ndarray:
    """Returns logits float32 [N, K] of a whole split, in its order, in evaluation mode.

    Args:
      model: the network.
      spec: how images become its input.
      variables: `params` and `batch_stats`, of a `TrainState` or of a loaded run.
      split: images to evaluate.
      batch_size: images of a forward pass.
      mesh: the devices, whose number divides the batch size; None: as many as divide it.

    Raises:
      UserError: a batch size that the devices of `mesh` do not divide, or an image that cannot be
        read.
    """
    mesh = mesh or data_mesh(devices_for(batch_size))
    check_batch_size(batch_size, mesh)
    function = _cached_evaluator(model, spec, mesh, batch_size)
    return function(dict(variables), split)


@functools.lru_cache(maxsize=8)
def _cached_evaluator(model: nn.Module, spec: InputSpec, mesh: Mesh, batch_size: int) -> Any:
    """Returns the evaluation function of a network, compiled once for all epochs of a loop."""
    return evaluator(model, spec, mesh, batch_size, progress=False)
