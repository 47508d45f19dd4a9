"""A batch in parts is the batch: gradient, sums and keys; batch norm alone tells them apart."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ferjax.images.augment import AUGMENTS, Augment
from ferjax.models.layers import BatchNorm
from ferjax.runtime.programs.compiler_options import compiled
from ferjax.runtime.sharding import data_mesh, put_batch, replicated
from ferjax.specs import InputSpec
from ferjax.training.gradient_accumulation import accumulate_gradients
from ferjax.training.losses import LOSSES
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.state import TrainState, create_state
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import EpochSums, train_step, zero_sums

SPEC = InputSpec((4, 4), 4, 1, (0.5,), (0.25,))
WEIGHTS = np.array([0.2, 3.0, 1.0], np.float32)
BATCH = 24


class Layers(nn.Module):
    """Two dense layers, with batch norm or dropout between them where asked for."""

    norm: bool = False
    dropout: float = 0.0
    num_classes: int = 3

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.Dense(5, name="dense")(x.reshape(x.shape[0], -1))
        if self.norm:
            x = BatchNorm(not train, name="bn")(x)
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(nn.relu(x))
        return nn.Dense(3, name="head")(x)


def batch(seed: int = 0) -> dict[str, np.ndarray]:
    """Returns a batch whose mask leaves the parts uneven, one of 4 and of 6 empty."""
    rng = np.random.default_rng(seed)
    mask = np.ones(BATCH, bool)
    mask[1::4] = mask[:8] = False
    return {
        "image": rng.integers(0, 256, (BATCH, 4, 4, 1), np.uint8),
        "label": rng.integers(0, 3, BATCH).astype(np.int32),
        "mask": mask,
        "index": rng.permutation(100)[:BATCH].astype(np.int32),
    }


@functools.cache
def begun(model: nn.Module, devices: int) -> TrainState:
    """Returns the state at step 0: to compile its initialisers takes as long as a step."""
    mesh = data_mesh(jax.devices()[:devices])
    return create_state(model, make_optimizer("sgd", momentum=0), SPEC, 0, mesh)


def take(
    parts: int, devices: int = 1, model: nn.Module | None = None, data: Any = None, **given: Any
) -> tuple[TrainState, EpochSums]:
    """Returns state and sums after one compiled step in so many parts."""
    model = model or Layers()
    optimizer = make_optimizer("sgd", momentum=0)
    mesh = data_mesh(jax.devices()[:devices])
    arguments: dict[str, Any] = {
        "model": model,
        "optimizer": optimizer,
        "rate": make_schedule("constant", 1.0, 1),
        "spec": SPEC,
        "augment": AUGMENTS["none"],
        "label_smoothing": 0.1,
        "class_weights": WEIGHTS,
        "seed": 0,
        "accumulate": parts,
    }
    step = functools.partial(train_step, settings=StepSettings(**arguments | given))
    step = compiled(step, mesh, out_shardings=replicated(mesh))
    sums = jax.device_put(zero_sums(), replicated(mesh))
    return step(begun(model, devices), sums, put_batch(batch() if data is None else data, mesh))


def assert_close(one: Any, other: Any, tolerance: float = 1e-6) -> None:
    close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(close, one, other)


@pytest.fixture(scope="module")
def whole() -> tuple[TrainState, EpochSums]:
    return take(1)


@pytest.mark.parametrize(("parts", "devices"), [(2, 1), (4, 1), (8, 1), (1, 4), (6, 4)])
def test_parts_add_up_to_the_batch(
    parts: int, devices: int, whole: tuple[TrainState, EpochSums]
) -> None:
    """At a rate of 1 without momentum the new parameters show the gradient."""
    state, sums = take(parts, devices)
    assert_close(jax.device_get(state.params), jax.device_get(whole[0].params))
    assert_close(sums, jax.device_get(whole[1]))
    assert sums.count == batch()["mask"].sum() < BATCH


def test_a_mixed_batch_in_parts_is_the_mixed_batch() -> None:
    """Partners are drawn from the whole batch, before it is cut."""
    mixed = Augment(mixup=1.0)
    one, other = (take(parts, augment=mixed, loss=LOSSES["focal"]) for parts in (1, 3))
    assert_close(one[0].params, other[0].params)
    assert_close(one[1], other[1])


def test_batch_norm_sees_each_part() -> None:
    data = batch()
    model = Layers(norm=True)
    state, _ = take(4, model=model)
    params = begun(model, 1).params
    pixels = (data["image"].reshape(BATCH, -1) / 255 - 0.5) / 0.25
    inside = pixels @ np.asarray(params["dense"]["kernel"]) + np.asarray(params["dense"]["bias"])
    mean, var = np.zeros(5), np.ones(5)
    for part in range(4):
        rows = inside[part::4]
        mean, var = 0.9 * mean + 0.1 * rows.mean(0), 0.9 * var + 0.1 * rows.var(0)
    np.testing.assert_allclose(state.batch_stats["bn"]["mean"], mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.batch_stats["bn"]["var"], var, rtol=1e-4, atol=1e-5)
    alone, _ = take(1, model=model)
    assert (alone.batch_stats["bn"]["mean"] != state.batch_stats["bn"]["mean"]).all()


def test_frozen_batch_norm_makes_parts_equal_again() -> None:
    model = Layers(norm=True)
    one, other = (take(parts, model=model, frozen="bn/.*") for parts in (1, 4))
    assert_close(one[0].params, other[0].params)
    assert_close(one[0].batch_stats, other[0].batch_stats, 0)


def test_every_part_has_a_key_of_its_own() -> None:
    def part_loss(trained: Any, stats: Any, part: Any, key: jax.Array) -> Any:
        return trained * jax.random.uniform(key), (jnp.float32(1), jnp.int32(0), stats)

    key, data = jax.random.key(3), batch()
    found, slope = accumulate_gradients(part_loss, jnp.float32(1), {}, data, key, 4)
    expected = sum(float(jax.random.uniform(jax.random.fold_in(key, k))) for k in range(4))
    np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
    np.testing.assert_allclose(slope, expected / 4, rtol=1e-6)
    # In one part the key is the step's own.
    found, _ = accumulate_gradients(part_loss, jnp.float32(1), {}, data, key, 1)
    np.testing.assert_allclose(found.loss, jax.random.uniform(key), rtol=1e-6)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_batch_of_masked_rows_divides_by_nothing(parts: int) -> None:
    data = batch() | {"mask": np.zeros(BATCH, bool)}
    state, sums = take(parts, data=data)
    assert_close(state.params, begun(Layers(), 1).params, 0)
    assert_close(sums, zero_sums(), 0)


def test_a_broken_part_is_a_broken_step() -> None:
    data = batch() | {"target": np.eye(3, dtype=np.float32)[batch()["label"]]}
    data["target"][23] = np.nan
    _, sums = take(4, data=data)
    assert sums.broken == 0
