"""The forward pass of a phase: frozen batch norms and blocks are still, stored branches not run."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ferjax.models.efficientnet import EfficientNet, EfficientNetB0, EfficientNetB1, Stage
from ferjax.models.layers import BatchNorm, StochasticDepth
from ferjax.models.resnet import ResNet
from ferjax.runtime.variable_tree import flatten
from ferjax.training.forward_pass import evaluation_logits, training_logits
from ferjax.training.freezing import frozen_pattern

ALL_BUT_HEAD = frozen_pattern("all_but_head", None)
KEY = jax.random.key(0)


class Norms(nn.Module):
    """Two dense layers with a batch norm each; the first norm may be in evaluation mode."""

    first_still: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.Dense(5, name="dense1")(x)
        x = nn.relu(BatchNorm(not train or self.first_still, name="bn1")(x))
        x = nn.relu(BatchNorm(not train, name="bn2")(nn.Dense(4, name="dense2")(x)))
        return nn.Dense(3, name="head")(x)


def norms(seed: int = 0) -> tuple[dict[str, Any], dict[str, Any], np.ndarray]:
    """Returns parameters and running statistics, random all, and an input."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((8, 6)).astype(np.float32)
    shapes = jax.eval_shape(lambda: Norms().init(KEY, images, train=False))
    drawn = jax.tree.map(lambda s: 0.5 + rng.random(s.shape, np.float32), shapes)
    return drawn["params"], drawn["batch_stats"], images


def test_a_frozen_batch_norm_is_one_in_evaluation_mode() -> None:
    params, stats, images = norms()
    logits, after = training_logits(Norms(), params, stats, images, KEY, frozen="bn1/.*")
    expected, updates = Norms(first_still=True).apply(
        {"params": params, "batch_stats": stats}, images, train=True, mutable=["batch_stats"]
    )
    np.testing.assert_array_equal(logits, expected)
    jax.tree.map(np.testing.assert_array_equal, after, updates["batch_stats"])
    # Not by a bit, while the trained one beside it moves.
    jax.tree.map(np.testing.assert_array_equal, after["bn1"], stats["bn1"])
    assert (np.asarray(after["bn2"]["mean"]) != stats["bn2"]["mean"]).all()
    assert (np.asarray(after["bn2"]["var"]) != stats["bn2"]["var"]).all()


@pytest.mark.parametrize("frozen", [None, "dense1/.*", "bn1/scale", "dense2/.*|bn1"])
def test_a_batch_norm_with_a_trained_parameter_uses_the_batch(frozen: str | None) -> None:
    params, stats, images = norms()
    logits, after = training_logits(Norms(), params, stats, images, KEY, frozen=frozen)
    expected, updates = Norms().apply(
        {"params": params, "batch_stats": stats}, images, train=True, mutable=["batch_stats"]
    )
    np.testing.assert_array_equal(logits, expected)
    jax.tree.map(np.testing.assert_array_equal, after, updates["batch_stats"])


def test_a_network_frozen_up_to_its_head_is_the_network_in_evaluation_mode(
    random_variables: Callable[..., Any],
) -> None:
    model = ResNet(3, (1, 1), "basic", (4, 8))
    variables = random_variables(model, 16, 1)
    images = np.random.default_rng(1).random((4, 16, 16, 1), np.float32)
    params, stats = variables["params"], variables["batch_stats"]
    logits, after = training_logits(model, params, stats, images, KEY, frozen=ALL_BUT_HEAD)
    np.testing.assert_array_equal(logits, model.apply(variables, images, train=False))
    jax.tree.map(np.testing.assert_array_equal, after, stats)
    # A stage that is trained has batches again, and leaves those below it alone.
    _, after = training_logits(model, params, stats, images, KEY, frozen="stem_.*|stage1_.*")
    moved = {
        path.split("/")[0]
        for path, leaf in flatten(after).items()
        if (np.asarray(leaf) != flatten(stats)[path]).any()
    }
    assert moved == {"stage2_block0"}


class Branches(nn.Module):
    """A guide and a nested branch beside the head."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        guide = nn.tanh(nn.Dense(4, name="guide")(x))
        return nn.Dense(3, name="head")(guide + Nested(name="branch")(x))


class Nested(nn.Module):
    """A dense layer under another name."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.relu(nn.Dense(4, name="inner")(x))


@pytest.mark.parametrize("path", ["guide", "branch", "branch/inner"])
def test_a_stored_branch_is_not_run(path: str) -> None:
    images = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    variables = Branches().init(KEY, images, train=False)
    whole, seen = Branches().apply(
        variables,
        images,
        train=False,
        capture_intermediates=lambda module, _: "/".join(module.path) == path,
        mutable=["intermediates"],
    )
    (found,) = flatten(seen["intermediates"])[f"{path}/__call__"]
    # Its own parameters may be absent.
    kept = {k: v for k, v in variables["params"].items() if k != path.split("/")[0]}
    logits = evaluation_logits(Branches(), {"params": kept}, images, {path: found})
    np.testing.assert_array_equal(logits, whole)
    trained, stats = training_logits(Branches(), kept, {}, images, KEY, stored={path: found})
    np.testing.assert_array_equal(trained, whole)
    assert stats == {}
    other = evaluation_logits(Branches(), {"params": kept}, images, {path: found + 1})
    assert (other != whole).any()


def test_nothing_stored_is_a_plain_evaluation() -> None:
    params, stats, images = norms()
    variables = {"params": params, "batch_stats": stats}
    expected = Norms().apply(variables, images, train=False)
    np.testing.assert_array_equal(evaluation_logits(Norms(), variables, images, {}), expected)


def depth(x: Any, rate: float, *, deterministic: bool = False, **given: Any) -> jax.Array:
    module = StochasticDepth(rate, deterministic)
    return module.apply({}, x, rngs={"dropout": KEY}, **given)


def test_stochastic_depth_drops_images_and_keeps_the_mean() -> None:
    x = jnp.ones((20_000, 2, 1, 3), jnp.float32)
    found = np.asarray(depth(x, 0.3))
    kept = found[:, 0, 0, 0] > 0
    np.testing.assert_array_equal(
        found, np.where(kept[:, None, None, None], x / np.float32(0.7), 0)
    )
    # 4 standard deviations of a share.
    assert abs(kept.mean() - 0.7) < 4 * (0.3 * 0.7 / 20_000) ** 0.5
    assert abs(found.mean() - 1) < 0.02
    assert depth(x[:4].astype(jnp.bfloat16), 0.3).dtype == jnp.bfloat16


def test_stochastic_depth_that_leaves_nothing_out() -> None:
    x = np.random.default_rng(0).standard_normal((8, 2, 2, 3)).astype(np.float32)
    assert (depth(x, 0.9) != x).any()
    for found in (
        depth(x, 0.9, deterministic=True),
        depth(x, 0.9, frozen=True),
        # No randomness is asked for.
        StochasticDepth(0.0, deterministic=False).apply({}, x),
    ):
        np.testing.assert_array_equal(found, x)


def test_gradients_of_what_was_left_out_are_zero() -> None:
    x = jnp.ones((64, 3))
    slope = jax.grad(lambda x: depth(x, 0.5).sum())(x)
    np.testing.assert_array_equal(slope, 2.0 * (depth(x, 0.5) > 0))


def test_stochastic_depth_is_still_in_frozen_blocks(random_variables: Callable[..., Any]) -> None:
    model = EfficientNet(
        3,
        stages=(Stage(1, 3, 1, 8, 3),),
        stem_width=8,
        top_width=16,
        dropout=0.0,
        stochastic_depth=0.9,
    )
    variables = random_variables(model, 8, 1)
    images = np.random.default_rng(1).random((16, 8, 8, 1), np.float32)
    params, stats = variables["params"], variables["batch_stats"]
    run = jax.jit(partial(training_logits, model), static_argnames="frozen")

    def logits(frozen: str, key: int) -> np.ndarray:
        return np.asarray(run(params, stats, images, jax.random.key(key), frozen=frozen)[0])

    # Batch norms are all frozen in each case, so the key alone makes the difference.
    still = logits(str(ALL_BUT_HEAD), 0)
    np.testing.assert_array_equal(still, logits(str(ALL_BUT_HEAD), 1))
    expected = jax.jit(partial(model.apply, train=False))(variables, images)
    np.testing.assert_allclose(still, expected, rtol=1e-5, atol=1e-5)
    for awake in ("stage1_block1/se_reduce", "stage1_block2/dw_conv"):
        frozen = rf"(?!({awake}|head)/).*"
        assert (logits(frozen, 0) != logits(frozen, 1)).any()
    # The first block is never left out.
    frozen = r"(?!(stage1_block0/dw_conv|head)/).*"
    np.testing.assert_array_equal(logits(frozen, 0), logits(frozen, 1))


@pytest.mark.parity
@pytest.mark.parametrize(
    ("build", "name"), [(EfficientNetB0, "efficientnet_b0"), (EfficientNetB1, "efficientnet_b1")]
)
def test_rates_of_the_blocks_equal_torchvision(
    build: Any, name: str, torchvision_models: Any
) -> None:
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        theirs = getattr(torchvision_models, name)(weights=None)
    expected = [
        block.stochastic_depth.p
        for stage in theirs.features[1:-1]
        for block in stage
        if block.use_res_connect
    ]
    rates: list[float] = []

    def note(run: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        if isinstance(context.module, StochasticDepth) and context.method_name == "__call__":
            rates.append(context.module.rate)
            assert not context.module.deterministic
        return run(*arguments, **keywords)

    model = build(7, stochastic_depth=0.2)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    with nn.intercept_methods(note):
        jax.eval_shape(partial(model.init, train=True), {"params": KEY, "dropout": KEY}, image)
    assert rates == pytest.approx(expected, rel=1e-12)
    assert len(rates) > 5
