"""Several augmented views of each image in a step, and targets blended with teachers'."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ferjax.images.augment import AUGMENTS, Augment
from ferjax.images.augmented_input import augment
from ferjax.runtime.programs.compiler_options import compiled
from ferjax.runtime.random_keys import stream_key
from ferjax.runtime.sharding import data_mesh, put_batch, replicated
from ferjax.specs import InputSpec
from ferjax.training.losses import soft_targets
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.state import TrainState, create_state
from ferjax.training.step_settings import StepSettings, Teacher
from ferjax.training.train_step import EpochSums, train_step, zero_sums

SPEC = InputSpec((8, 8), 8, 1, (0.5,), (0.25,))


class Linear(nn.Module):
    """Three logits, linear in the pixels."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return nn.Dense(3, name="head")(x.reshape(x.shape[0], -1))


MODEL, OPTIMIZER = Linear(), make_optimizer("sgd", momentum=0)


@functools.cache
def first_state(devices: int = 1) -> TrainState:
    return create_state(MODEL, OPTIMIZER, SPEC, 0, data_mesh(jax.devices()[:devices]))


def make_step(**changes: Any) -> Callable[..., tuple[TrainState, EpochSums]]:
    settings = StepSettings(MODEL, OPTIMIZER, make_schedule("constant", 0.1, 1), SPEC, **changes)
    return jax.jit(functools.partial(train_step, settings=settings))


def batch(count: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (count, 8, 8, 1), np.uint8),
        "label": rng.integers(0, 3, count).astype(np.int32),
        "mask": np.ones(count, bool),
        "index": rng.permutation(100)[:count].astype(np.int32),
    }


def loss_and_gradient(inputs: jax.Array, targets: np.ndarray) -> tuple[jax.Array, Any]:
    """Returns mean cross-entropy and its gradient, written out."""

    def loss(params: Any) -> jax.Array:
        logits = jnp.asarray(MODEL.apply({"params": params}, inputs, train=True))
        return -(jnp.asarray(targets) * jax.nn.log_softmax(logits)).sum(-1).mean()

    return jax.value_and_grad(loss)(first_state().params)


def test_a_step_of_three_views_is_that_of_three_augmented_batches() -> None:
    rows = batch()
    after, sums = make_step(augment=AUGMENTS["fer"], views=3)(first_state(), zero_sums(), rows)
    keys = jax.random.split(stream_key(0, "augment", 0), 3)
    views = [augment(rows["image"], SPEC, "fer", key, rows["index"]) for key in keys]
    assert not np.allclose(views[0], views[1])
    targets = np.tile(np.eye(3, dtype=np.float32)[rows["label"]], (3, 1))
    loss, gradient = loss_and_gradient(jnp.concatenate(views), targets)
    np.testing.assert_allclose(sums.loss / sums.weight, loss, rtol=1e-5)
    assert (int(sums.count), float(sums.weight)) == (18, 18)
    moved = jax.tree.map(lambda new, old: new - old, after.params, first_state().params)
    jax.tree.map(lambda m, g: np.testing.assert_allclose(m, -0.1 * g, atol=1e-6), moved, gradient)


def test_padding_counts_in_no_view() -> None:
    rows = batch()
    rows["mask"][4:] = False
    step = make_step(augment=AUGMENTS["flip"], views=2)
    _, sums = step(first_state(), zero_sums(), rows)
    assert (int(sums.count), float(sums.weight)) == (8, 8)


def test_each_view_mixes_with_its_own_partners() -> None:
    """With mixup the views of an image differ, also where nothing else is drawn."""
    rows = batch()
    step = make_step(augment=Augment(mixup=1.0), views=2)
    _, sums = step(first_state(), zero_sums(), rows)
    one = make_step(augment=Augment(mixup=1.0))(first_state(), zero_sums(), rows)[1]
    assert not np.isclose(float(sums.loss) / 2, float(one.loss))


def test_four_devices_see_the_views_that_one_sees() -> None:
    rows, settings = batch(8), {"augment": AUGMENTS["fer"], "views": 2}
    found = {}
    for count in (1, 4):
        mesh = data_mesh(jax.devices()[:count])
        step = compiled(make_step(**settings), mesh, out_shardings=replicated(mesh))
        state = jax.device_put(first_state(), replicated(mesh))
        found[count] = step(state, zero_sums(), put_batch(rows, mesh))
    np.testing.assert_allclose(found[1][1].loss, found[4][1].loss, rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        found[1][0].params,
        found[4][0].params,
    )


@pytest.mark.parametrize("soft", [False, True])
def test_targets_are_blended_with_the_teachers_mean(soft: bool) -> None:
    rows = batch()
    if soft:
        rows["target"] = np.random.default_rng(1).dirichlet(np.ones(3), 6).astype(np.float32)
    rng = np.random.default_rng(2)
    params = [
        {
            "head": {
                "kernel": rng.standard_normal((64, 3)).astype(np.float32),
                "bias": np.zeros(3, np.float32),
            }
        }
        for _ in range(2)
    ]
    # The second teacher was trained on another range of values.
    specs = (SPEC, InputSpec((8, 8), 8, 1, (0.0,), (1.0,)))
    rows["teachers"] = tuple({"params": one} for one in params)
    step = make_step(
        augment=AUGMENTS["flip"],
        teachers=tuple(Teacher(MODEL, spec) for spec in specs),
        teacher_weight=0.25,
    )
    _, sums = step(first_state(), zero_sums(), rows)
    key = stream_key(0, "augment", 0)
    seen = [augment(rows["image"], spec, "flip", key, rows["index"]) for spec in specs]
    taught = np.mean(
        [
            jax.nn.softmax(x.reshape(6, -1) @ one["head"]["kernel"])
            for x, one in zip(seen, params, strict=True)
        ],
        axis=0,
    )
    own = np.asarray(soft_targets(jnp.asarray(rows.get("target", rows["label"])), 3))
    loss, _ = loss_and_gradient(seen[0], 0.75 * own + 0.25 * taught)
    np.testing.assert_allclose(sums.loss / 6, loss, rtol=1e-5)
