"""Benchmark case of a whole training step, from a uint8 batch to updated parameters."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.case import OURS, XLA, Case, Run
from ferjax.bench.measuring.jax_sides import compile_ahead
from ferjax.bench.measuring.pytorch_training import LEARNING_RATE, train_peers
from ferjax.images.augment import AUGMENTS
from ferjax.models.heads import build_head
from ferjax.models.registry import create_model, model_entry
from ferjax.runtime.sharding import data_mesh, replicated
from ferjax.specs import InputSpec
from ferjax.training.augmented_views import TRUNK
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.several_steps import several_train_steps
from ferjax.training.state import create_state
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import train_step, zero_sums

_CLASSES = 7


def train_case(
    model: str,
    side: int,
    channels: int,
    batch_size: int,
    optimizer: str,
    *,
    twin: Callable[[], Any],
    network: Mapping[str, object] | None = None,
    **fields: Any,
) -> Case:
    """Returns the case of one training step, without dropout: PyTorch would draw other masks.

    Args:
      model: the network's name.
      side: side of the images, pixels.
      channels: channels of the images.
      batch_size: images per step.
      optimizer: `sgd` (momentum 0.9), `adam` or `adamw` (weight decay 0.01).
      twin: returns the same network as a PyTorch module.
      network: fields of the network; their values appear in the case's name.
      **fields: further fields of `Case`.
    """
    step = functools.partial(step_parts, model, side, channels, optimizer, network)
    batch = functools.partial(random_batch, side, channels, batch_size)

    def build(plain: bool) -> Run:
        return step_run(*step(), batch(), plain=plain)

    return Case(
        name=" ".join([model, *map(str, (network or {}).values()), "step"]),
        shape=f"{batch_size}x{side}x{side}x{channels}, {optimizer}",
        function=lambda *arguments: step()[0](*arguments),
        arguments=lambda: (*jax.eval_shape(step()[1]), batch()),
        sides={OURS: lambda: build(False), XLA: lambda: build(True)},
        peers=train_peers(twin, optimizer, batch),
        images=batch_size,
        **fields,
    )


def step_parts(
    model: str,
    side: int,
    channels: int,
    optimizer: str,
    fields: Mapping[str, object] | None = None,
    frozen: str | None = None,
    stored_branch: str | None = None,
    several: bool = False,
) -> tuple[Callable[..., Any], Callable[[], Any]]:
    """Returns the pure training step, and the function that creates its first state and sums.

    The step maps (state, sums, batch) to (state, sums).

    Args:
      model: the network's name.
      side: side of the images, pixels.
      channels: channels of the images.
      optimizer: as in `train_case`.
      fields: fields of the network; its dropout is always 0.
      frozen: as in `StepSettings`.
      stored_branch: as in `StepSettings`.
      several: whether the step is `several_train_steps`, for stacked batches.
    """
    dropout = {"dropout": 0.0} if "dropout" in model_entry(model).fields else {}
    network = create_model(model, _CLASSES, **dropout, **(fields or {}))
    spec = InputSpec((side, side), side, channels, mean=(0.0,) * channels, std=(1.0,) * channels)
    spec = replace(spec, guide=spec) if "guide" in (fields or {}) else spec
    decay = 0.01 if optimizer == "adamw" else 0.0
    optax_optimizer = make_optimizer(optimizer, weight_decay=decay)
    mesh = data_mesh(jax.devices()[:1])
    settings = StepSettings(
        model=build_head(network) if stored_branch == TRUNK else network,
        optimizer=optax_optimizer,
        rate=make_schedule("constant", LEARNING_RATE, 1),
        spec=spec,
        augment=AUGMENTS["none"],
        label_smoothing=0.0,
        class_weights=None,
        seed=0,
        frozen=frozen,
        stored_branch=stored_branch,
    )
    step = functools.partial(several_train_steps if several else train_step, settings=settings)

    def init() -> Any:
        return create_state(network, optax_optimizer, spec, 0, mesh, frozen=frozen), zero_sums()

    return step, init


def random_batch(side: int, channels: int, batch_size: int) -> dict[str, np.ndarray]:
    """Returns a random training batch, as the input pipeline yields it, without padding.

    `image` uint8 [B, H, W, C], `label` int32 [B], `mask` bool [B], `index` int32 [B].
    """
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (batch_size, side, side, channels), np.uint8),
        "label": rng.integers(0, _CLASSES, batch_size, np.int32),
        "mask": np.ones(batch_size, bool),
        "index": np.arange(batch_size, dtype=np.int32),
    }


def step_run(
    step: Callable[..., Any],
    init: Callable[[], Any],
    batch: dict[str, np.ndarray],
    *,
    plain: bool,
    times: int = 1,
) -> Run:
    """Returns a run of steps; each run continues with the state of the previous one.

    Args:
      step: from `step_parts`.
      init: from `step_parts`.
      batch: a batch on the host.
      plain: as in `compile_ahead`.
      times: number of steps.
    """
    run_step, state, sums, device_batch = compiled_parts(step, init, batch, plain=plain)
    current = [state, sums]
    del state, sums  # donated

    def run() -> Any:
        for _ in range(times):
            current[:] = run_step(*current, device_batch)
        return jax.block_until_ready(current)

    return run


def compiled_parts(
    step: Callable[..., Any],
    init: Callable[[], Any],
    batch: dict[str, np.ndarray],
    *,
    plain: bool,
) -> tuple[Callable[..., Any], Any, Any, Any]:
    """Returns the compiled step, and its state, sums and batch on the first device.

    The arguments are those of `step_run`.
    """
    sharding = replicated(data_mesh(jax.devices()[:1]))
    state, sums, device_batch = jax.device_put((*init(), batch), sharding)
    run_step = compile_ahead(
        step,
        (state, sums, device_batch),
        plain=plain,
        donate_argnums=(0, 1),
        out_shardings=sharding,
    )
    return run_step, state, sums, device_batch
