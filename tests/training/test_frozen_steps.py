"""Steps of a partly frozen network: no bit of it moves, and nothing is computed for it."""

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from ferjax.images.augment import AUGMENTS
from ferjax.models.layers import BatchNorm
from ferjax.models.resnet import ResNet
from ferjax.runtime.sharding import data_mesh
from ferjax.runtime.variable_tree import flatten, split_tree
from ferjax.specs import InputSpec
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import OPTIMIZERS, make_optimizer
from ferjax.training.state import TrainState, averaged_parameters, create_state, next_phase
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import predict_step, train_step, zero_sums

SPEC = InputSpec((4, 4), 4, 1, (0.5,), (0.25,))
HEAD_ALONE = "(?!head/).*"
RATE = 0.1


class Layers(nn.Module):
    """Two dense layers with a batch norm each, then the head."""

    num_classes: int = 7

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        for name, width in (("stem", 6), ("stage", 5)):
            x = nn.Dense(width, name=f"{name}_dense")(x)
            x = nn.relu(BatchNorm(not train, name=f"{name}_bn")(x))
        return nn.Dense(7, name="head")(x)


def batch(seed: int = 0, side: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 256, (8, side, side, 1), np.uint8),
        "label": rng.integers(0, 7, 8).astype(np.int32),
        "mask": np.ones(8, bool),
        "index": np.arange(8, dtype=np.int32),
    }


@functools.cache
def begun(
    model: nn.Module,
    spec: InputSpec,
    frozen: str | None,
    name: str,
    optional: tuple[tuple[str, float], ...],
    ema: bool,
    shapes_only: bool,
) -> TrainState:
    """Returns the state at step 0: to compile its initialisers takes as long as a test."""
    optimizer, mesh = make_optimizer(name, **dict(optional)), data_mesh(jax.devices()[:1])
    create = functools.partial(create_state, model, optimizer, spec, 0, mesh, frozen=frozen)
    return jax.eval_shape(lambda: create(ema=ema)) if shapes_only else create(ema=ema)


def setup(
    name: str, frozen: str | None, *, shapes_only: bool = False, **given: Any
) -> tuple[TrainState, Any]:
    """Returns a state at step 0 and the step, not compiled: its operations are, once for all."""
    model, spec = given.setdefault("model", Layers()), given.setdefault("spec", SPEC)
    optional = {key: given.pop(key) for key in ("weight_decay", "clip_norm") if key in given}
    optimizer = make_optimizer(name, **optional)
    averaged = given.get("ema") is not None
    state = begun(model, spec, frozen, name, tuple(optional.items()), averaged, shapes_only)
    arguments: dict[str, Any] = {
        "optimizer": optimizer,
        "rate": make_schedule("constant", RATE, 1),
        "augment": AUGMENTS["none"],
        "label_smoothing": 0.0,
        "class_weights": None,
        "seed": 0,
        "frozen": frozen,
    }
    return state, functools.partial(train_step, settings=StepSettings(**arguments | given))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_nothing_frozen_changes_by_a_bit(name: str) -> None:
    """Neither decay nor momentum nor a trust ratio reaches it, nor do batches its statistics."""
    frozen = r"stem_.*|stage_bn/.*|stage_dense/bias"
    state, step = setup(name, frozen, weight_decay=0.1)
    before = jax.device_get(state)
    for seed in range(3):
        state, _ = step(state, zero_sums(), batch(seed))
    after = jax.device_get(state)
    kept = flatten(before.params)
    moved = {path for path, leaf in flatten(after.params).items() if (leaf != kept[path]).any()}
    assert moved == {"stage_dense/kernel", "head/kernel", "head/bias"}
    jax.tree.map(np.testing.assert_array_equal, after.batch_stats, before.batch_stats)
    slots = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(after.opt_state)]
    assert any("head" in slot for slot in slots)
    assert not [slot for slot in slots if re.search("stem|_bn|stage_dense'.*bias", slot)]


def test_a_step_takes_rate_scale_and_factor() -> None:
    """Plain gradient descent shows them: the update is their product with the gradient."""
    factors = jax.tree.map(lambda _: 1.0, setup("sgd", None)[0].params)
    factors["stem_dense"]["kernel"], factors["head"]["bias"] = 0.25, 0.5
    state, plain = setup("sgd", None)
    _, factored = setup("sgd", None, rate_factors=factors)
    one, half, third = (
        jax.device_get(step(state, zero_sums(), batch(), scale)[0].params)
        for step, scale in ((plain, 1.0), (plain, 0.5), (factored, 1.0))
    )
    before = flatten(jax.device_get(state.params))
    for path, leaf in flatten(one).items():
        moved = leaf - before[path]
        assert (moved != 0).any(), path
        close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6, err_msg=path)
        close(flatten(half)[path] - before[path], 0.5 * moved)
        close(flatten(third)[path] - before[path], flatten(factors)[path] * moved)


def test_the_rate_follows_the_runs_step() -> None:
    state, step = setup("sgd", HEAD_ALONE, rate=lambda step: jnp.where(step < 5, 0.1, 0.0))
    moved, _ = step(state.replace(step=jnp.int32(4)), zero_sums(), batch())
    stayed, _ = step(state.replace(step=jnp.int32(5)), zero_sums(), batch())
    assert (moved.params["head"]["kernel"] != state.params["head"]["kernel"]).any()
    np.testing.assert_array_equal(stayed.params["head"]["kernel"], state.params["head"]["kernel"])


def test_the_clip_is_of_all_that_is_trained_together() -> None:
    frozen = "stem_.*"
    state, plain = setup("sgd", frozen)
    _, clipped = setup("sgd", frozen, clip_norm=1e-3)
    before = split_tree(state.params, frozen)[0]
    free, short = (
        jax.tree.map(
            jnp.subtract, split_tree(step(state, zero_sums(), batch())[0].params, frozen)[0], before
        )
        for step in (plain, clipped)
    )
    norm = optax.tree.norm(free)
    assert norm > RATE * 1e-3
    np.testing.assert_allclose(optax.tree.norm(short), RATE * 1e-3, rtol=1e-2)
    expected = jax.tree.map(lambda x: x * RATE * 1e-3 / norm, free)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), short, expected)


def test_the_average_follows_the_trained_parameters() -> None:
    state, step = setup("sgd", HEAD_ALONE, ema=0.9)
    assert set(state.ema) == {"head"}
    expected = state.ema
    for seed in range(3):
        state, _ = step(state, zero_sums(), batch(seed))
        expected = averaged_parameters(
            expected, {"head": state.params["head"]}, jnp.int32(seed), 0.9
        )
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), state.ema, expected)
    assert (state.ema["head"]["kernel"] != state.params["head"]["kernel"]).any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_returns_the_state_it_takes(name: str) -> None:
    """In type and weakness of type, or the second step would be compiled anew."""
    given: dict[str, Any] = dict(weight_decay=0.1, clip_norm=1.0)
    first, step = setup(name, HEAD_ALONE, shapes_only=True, ema=0.9, **given)
    optimizer, mesh = make_optimizer(name, **given), data_mesh(jax.devices()[:1])
    second = jax.eval_shape(lambda state: next_phase(state, optimizer, None, mesh), first)
    _, whole = setup(name, None, shapes_only=True, ema=0.9, **given)

    def kinds(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), tree)

    for state, take in ((first, step), (second, whole)):
        after, sums = jax.eval_shape(take, state, zero_sums(), batch(), np.float32(1))
        assert kinds(after) == kinds(state)
        assert kinds(sums) == jax.tree.map(lambda x: (x.shape, x.dtype, False), zero_sums())


RESNET: dict[str, Any] = {
    "model": ResNet(7, (1, 1), "basic", (8, 16)),
    "spec": InputSpec((32, 32), 32, 1, (0.5,), (0.25,)),
}


def lowered(frozen: str | None) -> Any:
    """Returns the step of a small ResNet, lowered for shapes alone."""
    state, step = setup("adam", frozen, shapes_only=True, **RESNET)
    return jax.jit(step).lower(state, zero_sums(), batch(side=32))


def convolutions(text: str) -> int:
    return len(re.findall(r" (stablehlo\.)?convolution\(", text))


def test_what_lies_below_all_that_is_trained_has_no_backward_pass() -> None:
    state, _ = setup("adam", None, shapes_only=True, **RESNET)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    predict = jax.jit(functools.partial(predict_step, **RESNET))
    forward = convolutions(predict.lower(variables, batch(side=32)["image"]).as_text())
    # The stem's, two in the first stage, two and a shortcut in the second.
    assert forward == 6
    head_alone = lowered(HEAD_ALONE)
    assert convolutions(head_alone.as_text()) == forward
    assert convolutions(head_alone.compile().as_text()) == forward
    # Of the second stage: the gradients of three kernels, and of what is between two of them.
    assert convolutions(lowered(r"stem_.*|stage1_.*").as_text()) == forward + 3 + 1
    # With all trained: of six kernels, and of all inputs but the image.
    assert convolutions(lowered(None).as_text()) == forward + 6 + 5
