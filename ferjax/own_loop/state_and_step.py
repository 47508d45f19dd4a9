"""State, training step and logits for a training loop of your own."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn
from jax.sharding import Mesh

from ferjax.data.splits.split import Split
from ferjax.errors import UserError, nearest
from ferjax.images.augment import Augment, Augmentation, find_augmentation
from ferjax.runs.split_evaluator import evaluator
from ferjax.runtime.programs.compiler_options import compiled
from ferjax.runtime.sharding import check_batch_size, data_mesh, devices_for, replicated
from ferjax.runtime.variable_tree import flatten, split_tree
from ferjax.specs import InputSpec
from ferjax.training.freezing import check_frozen, frozen_pattern
from ferjax.training.losses import find_loss
from ferjax.training.state import TrainState, create_state, init_variables
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
        `load_pretrained(...).variables` without its head; absent variables are initialised.
      frozen: as `--freeze`: a regular expression on whole paths of parameters that are never
        trained (`conv1/.*`), or `all_but_head`. Give `make_train_step` the same.
      ema: whether to keep a moving average of the parameters; then `make_train_step` needs `ema`.

    Raises:
      UserError: a path that is no variable of the network, or a value of another shape; or `frozen`
        matches no parameter, every parameter or one half of a batch norm.
    """
    shapes = jax.eval_shape(lambda: init_variables(model, spec, seed))
    _check_values(variables or {}, flatten(shapes))
    pattern = _frozen_pattern(frozen)
    if frozen is not None:
        check_frozen(shapes["params"], frozen, None)
    return create_state(
        model,
        optimizer,
        spec,
        seed,
        mesh or data_mesh(),
        frozen=pattern,
        initial_values=variables,
        ema=ema,
    )


def _check_values(values: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
    """Raises `UserError` unless every value belongs to a variable of the network and fits it."""
    for path, value in values.items():
        if path not in shapes:
            near = nearest(path, shapes)
            hint = f"Did you mean {near}?" if near else f"It has {', '.join(list(shapes)[:3])} ..."
            raise UserError(f"`variables`: the network has no {path}. {hint}")
        if np.shape(value) != shapes[path].shape:
            raise UserError(
                f"`variables`: {path} is {list(np.shape(value))}, the network's is"
                f" {list(shapes[path].shape)}. Give a value of this shape, or leave it out."
            )


def _frozen_pattern(frozen: str | None) -> str | None:
    """Returns a regular expression on paths for `frozen`, or None if nothing is frozen."""
    if frozen is None:
        return None
    try:
        re.compile(frozen)
    except re.error as error:
        raise UserError(f"frozen={frozen}: not a regular expression ({error}).") from None
    return frozen_pattern(frozen, always=None)


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
      UserError: an unknown loss or augmentation; or, in the first step, a state that `init_state`
        made with another optimizer, `frozen` or `ema`.
    """
    step_settings = StepSettings(
        model=model,
        optimizer=optax.with_extra_args_support(optimizer),
        rate=rate if callable(rate) else lambda step: rate,
        spec=spec,
        loss=find_loss(loss) if isinstance(loss, str) else loss,
        augment=find_augmentation(augment) if isinstance(augment, str) else augment,
        **{**settings, "frozen": _frozen_pattern(settings.get("frozen"))},
    )
    mesh = mesh or data_mesh()

    def step(
        state: TrainState, sums: EpochSums, batch: Mapping[str, jax.Array], scale: Any = 1.0
    ) -> tuple[TrainState, EpochSums]:
        _check_state(state, step_settings)  # once, while the step is traced
        return train_step(state, sums, batch, scale, settings=step_settings)

    return compiled(step, mesh, donate_argnums=(0, 1), out_shardings=replicated(mesh))


def _check_state(state: TrainState, settings: StepSettings) -> None:
    """Raises `UserError` unless a state has what a step with these settings updates."""
    if (state.ema is None) == bool(settings.ema):
        raise UserError(
            f"the state was made with ema={state.ema is not None} and the step with"
            f" ema={settings.ema}. Give `init_state` ema=True and `make_train_step` a decay"
            " (ema=0.999), or leave out both."
        )
    trained = split_tree(state.params, settings.frozen)[0]
    found = jax.tree.structure((state.opt_state, state.ema))
    averages = trained if settings.ema else None
    optimizer_state = jax.eval_shape(settings.optimizer.init, trained)
    if found != jax.tree.structure((optimizer_state, averages)):
        raise UserError(
            "the state has the optimizer state of another optimizer, or of other parameters than"
            f" the step trains (frozen={settings.frozen}). Give `init_state` and `make_train_step`"
            " the same optimizer and the same `frozen`."
        )


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
