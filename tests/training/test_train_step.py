"""The training step, un-jitted where that is quick: masks, sums, keys, weights, broken losses."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ferjax.errors import UserError
from ferjax.images.augment import AUGMENTS, Augment
from ferjax.images.mixup_cutmix import draw_mix
from ferjax.runtime.programs.compiler_options import compiled
from ferjax.runtime.random_keys import stream_key
from ferjax.runtime.sharding import data_mesh, put_batch, replicated
from ferjax.specs import InputSpec
from ferjax.training.losses import LOSSES
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.state import TrainState, create_state
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import NEVER, EpochSums, predict_step, train_step, zero_sums

SPEC = InputSpec((8, 8), 8, 1, (0.5,), (0.25,))
LEARNING_RATE = 0.1


class Linear(nn.Module):
    """Three logits, linear in the pixels."""

    dropout: float = 0.0
    num_classes: int = 3

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return nn.Dense(3, name="head")(x)


def batch(count: int = 6, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 256, (count, 8, 8, 1), np.uint8),
        "label": rng.integers(0, 3, count).astype(np.int32),
        "mask": np.ones(count, bool),
        "index": rng.permutation(100)[:count].astype(np.int32),
    }


@functools.cache
def begun(model: nn.Module) -> TrainState:
    """Returns the state at step 0: to compile its initialisers takes as long as a test."""
    optimizer = make_optimizer("sgd", momentum=0)
    return create_state(model, optimizer, SPEC, 0, data_mesh(jax.devices()[:1]))


def setup(**changes: Any) -> tuple[TrainState, Callable[..., tuple[TrainState, EpochSums]]]:
    """Returns a state at step 0, and the step function."""
    model = changes.pop("model", Linear())
    optimizer = make_optimizer("sgd", momentum=0)
    arguments: dict[str, Any] = {
        "model": model,
        "optimizer": optimizer,
        "rate": make_schedule("constant", LEARNING_RATE, 1),
        "spec": SPEC,
        "augment": AUGMENTS["none"],
        "label_smoothing": 0.0,
        "class_weights": None,
        "seed": 0,
    }
    return begun(model), functools.partial(train_step, settings=StepSettings(**arguments | changes))


def assert_trees_close(one: Any, other: Any, tolerance: float = 1e-6) -> None:
    close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(close, one, other)


@pytest.mark.parametrize("weights", [None, np.array([0.5, 2.0, 1.0], np.float32)])
def test_a_step_is_gradient_descent_on_the_weighted_mean(weights: np.ndarray | None) -> None:
    state, step = setup(class_weights=weights)
    data = batch()
    head = {k: np.asarray(v, np.float64) for k, v in state.params["head"].items()}
    pixels = (data["image"].reshape(6, -1) / 255 - 0.5) / 0.25
    logits = pixels @ head["kernel"] + head["bias"]
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    weight = (np.ones(3) if weights is None else weights)[data["label"]]
    losses = -np.log(softmax[np.arange(6), data["label"]])
    slope = (softmax - np.eye(3)[data["label"]]) * weight[:, None] / weight.sum()

    after, sums = step(state, zero_sums(), data)
    assert after.step == 1
    new = after.params["head"]
    np.testing.assert_allclose(new["bias"], head["bias"] - 0.1 * slope.sum(0), atol=1e-5)
    np.testing.assert_allclose(new["kernel"], head["kernel"] - 0.1 * pixels.T @ slope, atol=1e-5)
    np.testing.assert_allclose(sums.loss, (losses * weight).sum(), rtol=1e-5)
    np.testing.assert_allclose(sums.weight, weight.sum(), rtol=1e-6)
    assert sums.correct == (logits.argmax(1) == data["label"]).sum()
    assert (sums.count, sums.broken) == (6, NEVER)


def test_masked_rows_change_nothing() -> None:
    state, step = setup(label_smoothing=0.1, class_weights=np.array([1.0, 2.0, 0.5], np.float32))
    data = batch(9)
    data["mask"] = np.arange(9) < 6
    kept = {name: rows[:6] for name, rows in data.items()}
    (masked, masked_sums), (alone, sums) = (step(state, zero_sums(), d) for d in (data, kept))
    assert_trees_close(masked, alone)
    assert_trees_close(masked_sums, sums)
    assert masked_sums.count == 6


def test_a_batch_of_masked_rows_moves_nothing() -> None:
    state, step = setup()
    data = batch() | {"mask": np.zeros(6, bool)}
    after, sums = step(state, zero_sums(), data)
    assert_trees_close(after.params, state.params, 0)
    assert_trees_close(sums, zero_sums(), 0)


def test_sums_add_up_over_steps() -> None:
    state, step = setup()
    running, parts = zero_sums(), []
    for seed in range(3):
        _, part = step(state, zero_sums(), batch(seed=seed))
        state, running = step(state, running, batch(seed=seed))
        parts.append(part)
    assert state.step == 3
    for name in ("loss", "weight", "correct", "count"):
        total = sum(np.asarray(getattr(part, name)) for part in parts)
        np.testing.assert_allclose(getattr(running, name), total, rtol=1e-6)
    assert running.broken == NEVER


def test_broken_is_the_first_step_whose_loss_is_not_finite() -> None:
    state, step = setup()
    state = state.replace(
        step=jnp.int32(3), params=jax.tree.map(lambda x: x * np.nan, state.params)
    )
    state, sums = step(state, zero_sums(), batch())
    assert sums.broken == 3
    _, sums = step(state, sums, batch())
    assert sums.broken == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"model": Linear(dropout=0.5)},
        {"augment": AUGMENTS["standard"]},
        {"augment": Augment(mixup=1.0)},
    ],
)
def test_randomness_follows_from_seed_and_step_alone(changes: dict[str, Any]) -> None:
    state, step = setup(**changes)
    step = jax.jit(step)

    def loss(step_number: int) -> float:
        start = state.replace(step=jnp.int32(step_number))
        return float(step(start, zero_sums(), batch())[1].loss)

    losses = [loss(i) for i in range(4)]
    assert losses == [loss(i) for i in range(4)]
    assert len(set(losses)) == 4
    _, other = setup(**changes, seed=1)
    assert float(jax.jit(other)(state, zero_sums(), batch())[1].loss) not in losses


def test_a_compiled_step_is_traced_once() -> None:
    traces = []

    class Counting(Linear):
        @nn.compact
        def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
            traces.append(train)
            return nn.Dense(3, name="head")(x.reshape(x.shape[0], -1))

    mesh = data_mesh(jax.devices()[:2])
    state, function = setup(model=Counting())
    state = jax.device_put(state, replicated(mesh))
    step = compiled(function, mesh, donate_argnums=(0, 1), out_shardings=replicated(mesh))
    traces.clear()
    sums = jax.device_put(zero_sums(), replicated(mesh))
    for seed in range(3):
        state, sums = step(state, sums, put_batch(batch(seed=seed), mesh))
    assert traces == [True]
    assert (int(state.step), int(sums.count)) == (3, 18)


def test_predict_step_is_the_network_on_prepared_images() -> None:
    state, _ = setup()
    images = batch()["image"]
    logits = predict_step({"params": state.params}, images, model=Linear(0.9), spec=SPEC)
    head = jax.tree.map(np.asarray, state.params["head"])
    pixels = (images.reshape(6, -1) / 255 - 0.5) / 0.25
    np.testing.assert_allclose(logits, pixels @ head["kernel"] + head["bias"], rtol=1e-4, atol=1e-5)


def test_predict_step_averages_views() -> None:
    state, _ = setup()
    variables, images = {"params": state.params}, batch()["image"]
    predict = functools.partial(predict_step, variables, model=Linear(0.9), spec=SPEC)
    both = [jax.nn.softmax(predict(views)) for views in (images, images[:, :, ::-1])]
    found = predict(images, tta="flip")
    np.testing.assert_allclose(jax.nn.softmax(found), np.mean(both, 0), rtol=1e-4)
    np.testing.assert_array_equal(predict(images, tta="none"), predict(images))
    crops = jax.nn.softmax(predict(images, tta="ten_crop"))
    np.testing.assert_allclose(crops.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_target_takes_the_place_of_the_label(loss: str) -> None:
    state, step = setup(loss=LOSSES[loss])
    data = batch()
    plain, sums = step(state, zero_sums(), data)
    hot, hot_sums = step(
        state, zero_sums(), data | {"target": np.eye(3, dtype=np.float32)[data["label"]]}
    )
    assert_trees_close(hot, plain)
    assert_trees_close(hot_sums, sums)
    turned = np.roll(np.eye(3, dtype=np.float32), 1, 1)[data["label"]]
    other, other_sums = step(state, zero_sums(), data | {"target": turned})
    assert (other.params["head"]["kernel"] != plain.params["head"]["kernel"]).any()
    # Accuracy goes by the label still.
    assert other_sums.correct == sums.correct


def test_a_batch_of_floats_is_refused() -> None:
    state, step = setup()
    data = batch()
    with pytest.raises(UserError, match="images are float64: uint8 expected"):
        step(state, zero_sums(), data | {"image": data["image"] / 255})


def of_two_axes(logits: jax.Array, targets: jax.Array, **_: Any) -> tuple[jax.Array, jax.Array]:
    """Returns a loss of the user's own that forgets the sum over the classes."""
    return jax.nn.softmax(logits), jnp.ones(len(logits))


def of_the_batch(logits: jax.Array, targets: jax.Array, **_: Any) -> tuple[jax.Array, jax.Array]:
    """Returns a loss of the user's own that has taken the mean of the batch."""
    return jax.nn.logsumexp(logits), jnp.ones(len(logits))


@pytest.mark.parametrize("loss", [of_two_axes, of_the_batch])
def test_a_loss_of_another_shape_is_refused(loss: Callable[..., Any]) -> None:
    # As many images as classes: then [B, K] would broadcast without an error.
    state, step = setup(loss=loss)
    with pytest.raises(UserError, match=rf"the loss {loss.__name__} returned .*: \[3\] expected"):
        step(state, zero_sums(), batch(3))


def test_a_mixed_step_is_a_step_on_blended_images_and_targets() -> None:
    data = batch(8)
    state, step = setup(augment=Augment(mixup=1.0))
    after, sums = jax.jit(step)(state, zero_sums(), data)
    mixed = jax.jit(draw_mix, static_argnums=(0, 1, 5))
    mix = mixed(1.0, 0.0, stream_key(0, "augment", 0), data["index"], data["mask"], 8)
    share, partner = np.asarray(mix.share), np.asarray(mix.partner)
    head = {k: np.asarray(v, np.float64) for k, v in state.params["head"].items()}
    pixels = (data["image"].reshape(8, -1) / 255 - 0.5) / 0.25
    pixels = share[:, None] * pixels + (1 - share[:, None]) * pixels[partner]
    hot = np.eye(3)[data["label"]]
    targets = share[:, None] * hot + (1 - share[:, None]) * hot[partner]
    logits = pixels @ head["kernel"] + head["bias"]
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(sums.loss, -(targets * np.log(softmax)).sum(), rtol=1e-4)
    slope = (softmax - targets) / 8
    new = after.params["head"]
    np.testing.assert_allclose(new["bias"], head["bias"] - 0.1 * slope.sum(0), atol=1e-5)
    most = np.where(share >= 0.5, data["label"], data["label"][partner])
    assert sums.correct == (logits.argmax(1) == most).sum()


def test_masked_rows_change_nothing_of_a_strong_step() -> None:
    state, step = setup(augment=AUGMENTS["strong"], loss=LOSSES["focal"])
    step = jax.jit(step)
    data = batch(9)
    data["mask"] = np.arange(9) < 6
    other = data | {"image": data["image"].copy(), "label": data["label"].copy()}
    other["image"][6:], other["label"][6:] = 7, 0
    assert_trees_close(step(state, zero_sums(), data), step(state, zero_sums(), other), 1e-6)


def test_a_strong_step_is_the_same_on_four_devices() -> None:
    found = []
    for devices in (1, 4):
        mesh = data_mesh(jax.devices()[:devices])
        state, step = setup(augment=AUGMENTS["strong"])
        state, sums = jax.device_put((state, zero_sums()), replicated(mesh))
        step = compiled(step, mesh, out_shardings=replicated(mesh))
        found.append(jax.tree.map(np.asarray, step(state, sums, put_batch(batch(8), mesh))))
    assert_trees_close(*found, 1e-5)


class TwoLayers(nn.Module):
    """A layer under a frozen name, then the head."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.relu(nn.Dense(5, name="guide")(x.reshape(x.shape[0], -1)))
        return nn.Dense(3, name="head")(x)


def test_frozen_parameters_keep_every_bit_and_have_no_slots() -> None:
    model, frozen = TwoLayers(), "guide/.*"
    optimizer = make_optimizer("adam")
    mesh = data_mesh(jax.devices()[:1])
    _, step = setup(model=model, optimizer=optimizer, frozen=frozen)
    state = create_state(model, optimizer, SPEC, 0, mesh, frozen=frozen)
    paths = [jax.tree_util.keystr(k) for k, _ in jax.tree.leaves_with_path(state.opt_state)]
    assert any("head" in path for path in paths)
    assert not any("guide" in path for path in paths)
    after, _ = step(state, zero_sums(), batch())
    jax.tree.map(np.testing.assert_array_equal, after.params["guide"], state.params["guide"])
    assert (after.params["head"]["kernel"] != state.params["head"]["kernel"]).all()
    assert jax.tree.structure(after) == jax.tree.structure(state)

    # What is trained takes the step it would take if all were.
    whole = create_state(model, optimizer, SPEC, 0, mesh)
    free, _ = setup(model=model, optimizer=optimizer)[1](whole, zero_sums(), batch())
    assert_trees_close(after.params["head"], free.params["head"])


def test_given_values_take_the_place_of_the_initialised() -> None:
    optimizer = make_optimizer("adam")
    kernel = np.full((64, 5), 3, np.float32)
    given = {"params/guide/kernel": kernel}
    mesh = data_mesh(jax.devices()[:1])
    state = create_state(TwoLayers(), optimizer, SPEC, 0, mesh, initial_values=given)
    plain = create_state(TwoLayers(), optimizer, SPEC, 0, mesh)
    np.testing.assert_array_equal(state.params["guide"]["kernel"], kernel)
    jax.tree.map(np.testing.assert_array_equal, state.params["head"], plain.params["head"])
