"""A step is broken where its loss, gradient or new parameters are not finite: its own number."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from ferjax.images.augment import AUGMENTS
from ferjax.models.awei import Awei
from ferjax.runtime.programs.compiler_options import compiled
from ferjax.runtime.sharding import data_mesh, put_batch, replicated, split_over
from ferjax.specs import InputSpec
from ferjax.training.optimizers.optax_optimizers import OPTIMIZERS, make_optimizer
from ferjax.training.state import TrainState, create_state
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import NEVER, EpochSums, train_step, zero_sums

BATCH = 8


class Poisoned(nn.Module):
    """Three logits; the gradient of one bias is `slope` where a pixel is white, the loss is not."""

    slope: float = float("nan")
    num_classes: int = 3
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        bias = self.param("bias", nn.initializers.zeros, (3,))

        @jax.custom_jvp
        def harmless(bias: jax.Array, white: jax.Array) -> jax.Array:
            return 0 * bias

        @harmless.defjvp
        def _(primals: Any, tangents: Any) -> Any:
            (bias, white), (tangent, _) = primals, tangents
            return 0 * bias, tangent * jnp.where(white, self.slope, 0.0)

        white = jax.lax.stop_gradient(x.max() >= 1)
        dense = nn.Dense(3, dtype=self.dtype, name="head")(x)
        return dense.astype(bias.dtype) + harmless(bias, white)[None]


def batch(side: int, channels: int = 1, *, white: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (BATCH, side, side, channels), np.uint8)
    if white:
        image[5, 1, 1] = 255
    return {
        "image": image,
        "label": rng.integers(0, 3, BATCH).astype(np.int32),
        "mask": np.ones(BATCH, bool),
        "index": np.arange(BATCH, dtype=np.int32),
    }


def begin(
    model: nn.Module, side: int, channels: int = 1, optimizer: str = "sgd", devices: int = 1
) -> tuple[TrainState, Any]:
    """Returns the state at step 0, and settings → the compiled step."""
    spec = InputSpec((side, side), side, channels, (0.0,) * channels, (1.0,) * channels)
    mesh, built = data_mesh(jax.devices()[:devices]), make_optimizer(optimizer)
    state = create_state(model, built, spec, 0, mesh)

    def step(split: bool = False, **changes: Any) -> Any:
        settings = StepSettings(
            model=model,
            optimizer=changes.pop("optimizer", built),
            rate=lambda step: 1e-3,
            spec=spec,
            augment=AUGMENTS["none"],
            **changes,
        )
        placed = split_over(state, mesh) if split else replicated(mesh)
        function = functools.partial(train_step, settings=settings)
        run = compiled(function, mesh, out_shardings=(placed, replicated(mesh)))

        def one(state: TrainState, sums: EpochSums, data: Any) -> tuple[TrainState, EpochSums]:
            state, sums = jax.device_put((state, sums), (placed, replicated(mesh)))
            return run(state, sums, put_batch(data, mesh))

        return one

    return state, step


@pytest.mark.parametrize("slope", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("devices", "changes"),
    [(1, {}), (1, {"accumulate": 4}), (4, {}), (4, {"accumulate": 2}), (4, {"split": True})],
    ids=["one device", "in parts", "four devices", "four devices, in parts", "split state"],
)
def test_the_step_of_a_gradient_is_named_although_its_loss_is_finite(
    devices: int, changes: dict[str, Any], slope: float
) -> None:
    state, make = begin(Poisoned(slope), 64, devices=devices)
    step, sums = make(**changes), zero_sums()
    for white in (False, False, True, False):
        before = float(sums.loss)
        state, sums = step(state, sums, batch(64, white=white))
        assert int(sums.broken) == (2 if white or state.step > 3 else NEVER)
        if state.step <= 3:
            assert np.isfinite(float(sums.loss) - before)


@pytest.mark.parametrize("slope", [np.nan, np.inf])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_with_every_optimizer(optimizer: str, slope: float) -> None:
    state, make = begin(Poisoned(slope), 4, optimizer=optimizer)
    step = make()
    _, sums = step(state, zero_sums(), batch(4))
    assert sums.broken == NEVER
    _, sums = step(state, sums, batch(4, white=True))
    assert (sums.broken, bool(np.isfinite(sums.loss))) == (0, True)


@pytest.mark.parametrize("slope", [np.nan, np.inf])
def test_with_a_clipped_gradient(slope: float) -> None:
    state, make = begin(Poisoned(slope), 4)
    clipped = make_optimizer("sgd", clip_norm=1.0)
    step = make(optimizer=clipped)
    state = state.replace(opt_state=clipped.init(state.params))
    assert step(state, zero_sums(), batch(4))[1].broken == NEVER
    assert step(state, zero_sums(), batch(4, white=True))[1].broken == 0


def test_in_mixed_precision() -> None:
    state, make = begin(Poisoned(dtype=jnp.bfloat16), 4)
    assert make()(state, zero_sums(), batch(4))[1].broken == NEVER
    assert make()(state, zero_sums(), batch(4, white=True))[1].broken == 0


def test_an_optimizer_that_steps_to_infinity_is_named_at_that_step() -> None:
    state, make = begin(Poisoned(0.0), 4)
    overflow = optax.stateless(lambda updates, _: jax.tree.map(lambda u: u / 0, updates))
    state = state.replace(opt_state=overflow.init(state.params))
    step = make(optimizer=optax.with_extra_args_support(overflow))
    assert step(state, zero_sums(), batch(4))[1].broken == 0


@pytest.mark.parametrize(
    ("jumper", "layer"),
    [("input", "jumper"), ("conv1", "jumper"), ("double", "jumper1"), ("staged", "jumper2")],
)
@pytest.mark.parametrize("wrong", ["kernel", "bias"])
def test_a_nan_in_aweis_jumper_is_a_nan_of_the_loss(jumper: str, layer: str, wrong: str) -> None:
    """On CPU jaxlib's maximum over a window would return -inf, and ReLU make that 0."""
    model = Awei(3, jumper, widths=(4, 4, 8, 8, 32), hidden=8)
    state, make = begin(model, 64, 3)
    params = jax.tree.map(np.array, state.params)
    params[layer][wrong][..., 1] = np.nan
    state = state.replace(step=jnp.int32(7), params=params)
    _, sums = make()(state, zero_sums(), batch(64, 3))
    assert np.isnan(sums.loss)
    assert sums.broken == 7
