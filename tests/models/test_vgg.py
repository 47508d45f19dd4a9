"""VGG: parameter names and counts, pooling, precision, gradients and initialisation."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ferjax.models.intermediate_activations import capture_activations
from ferjax.models.layers import adaptive_mean_pool
from ferjax.models.registry import abstract_variables
from ferjax.models.vgg import VGG, VGG16

TINY: dict[str, Any] = dict(stage_sizes=(1, 2), widths=(4, 8), head_widths=(6, 5))


def shapes(model: Any, side: int = 32) -> dict[str, tuple[int, ...]]:
    """Returns {path: shape} of every variable, without computing any."""
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    tree = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), image)
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(k, simple=True, separator="/"): v.shape for k, v in leaves}


def biased(name: str, *kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"params/{name}/kernel": kernel, f"params/{name}/bias": kernel[-1:]}


@pytest.mark.parametrize(("name", "count"), [("vgg16", 138_357_544), ("vgg19", 143_667_240)])
def test_parameter_counts_are_the_published_ones(name: str, count: int) -> None:
    assert sum(map(math.prod, abstract_variables(name, 1000).values())) == count


def test_parameter_names_are_the_public_format() -> None:
    trunk = {
        **biased("stage1/conv1", 3, 3, 3, 4),
        **biased("stage2/conv1", 3, 3, 4, 8),
        **biased("stage2/conv2", 3, 3, 8, 8),
    }
    assert shapes(VGG(7, **TINY)) == {
        **trunk,
        **biased("head_dense1", 7 * 7 * 8, 6),
        **biased("head_dense2", 6, 5),
        **biased("head", 5, 7),
    }
    mean = VGG(7, **{**TINY, "head_widths": ()}, pooling="mean")
    assert shapes(mean) == {**trunk, **biased("head", 8, 7)}


def test_parameters_do_not_depend_on_the_side() -> None:
    assert shapes(VGG16(num_classes=7), 32) == shapes(VGG16(num_classes=7), 224)


@settings(max_examples=8, deadline=None)
@example(height=7, width=20, side=7)
@example(height=2, width=3, side=5)
@given(height=st.integers(1, 20), width=st.integers(1, 20), side=st.integers(1, 8))
def test_adaptive_pool_is_the_mean_of_each_bin(height: int, width: int, side: int) -> None:
    x = np.random.default_rng(height).standard_normal((2, height, width, 3)).astype(np.float32)
    expected = np.empty((2, side, side, 3), np.float32)
    for i in range(side):
        rows = slice(math.floor(i * height / side), math.ceil((i + 1) * height / side))
        for j in range(side):
            columns = slice(math.floor(j * width / side), math.ceil((j + 1) * width / side))
            expected[:, i, j] = x[:, rows, columns].mean((1, 2))
    pooled = jax.jit(adaptive_mean_pool, static_argnums=1)(x, side)
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_adaptive_pool_returns_a_map_of_the_right_side_unchanged() -> None:
    x = jnp.ones((1, 7, 7, 2), jnp.bfloat16)
    assert adaptive_mean_pool(x, 7) is x
    assert adaptive_mean_pool(x, 3).dtype == jnp.bfloat16


def features_and_map(model: VGG, variables: Any, image: np.ndarray) -> tuple[Any, Any]:
    """Returns the features and the last stage's map."""
    features, seen = jax.jit(partial(capture_activations, model, pattern="stage2"))(
        variables, image
    )
    return features, seen["stage2"]


@pytest.mark.parametrize("side", [pytest.param(28, marks=pytest.mark.slow), 30, 35])
def test_flatten_is_rows_then_columns_then_channels(
    side: int, random_variables: Callable[..., Any]
) -> None:
    # Without dense layers the features are the flattened map: at 30 px it is 7x7 already.
    fields = {**TINY, "head_widths": ()}
    variables = random_variables(VGG(7, **fields), side, 3)
    image = np.random.default_rng(1).random((2, side, side, 3), np.float32)
    features, stage = features_and_map(VGG(0, **fields), variables, image)
    assert stage.shape == (2, side // 4, side // 4, 8)
    expected = np.asarray(adaptive_mean_pool(stage, 7)).reshape(2, -1)
    np.testing.assert_allclose(features, expected, rtol=1e-6)


def test_mean_pooling_is_over_the_whole_map(random_variables: Callable[..., Any]) -> None:
    fields = {**TINY, "head_widths": (), "pooling": "mean"}
    variables = random_variables(VGG(7, **fields), 30, 3)
    image = np.random.default_rng(1).random((2, 30, 30, 3), np.float32)
    features, stage = features_and_map(VGG(0, **fields), variables, image)
    np.testing.assert_allclose(features, np.asarray(stage).mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize(
    "fields",
    [TINY, dict(stage_sizes=(1,), widths=(4,), head_widths=(), pooling="mean")],
    ids=["flatten", "mean"],
)
def test_gradients_reach_every_parameter(
    fields: dict[str, Any], random_variables: Callable[..., Any]
) -> None:
    model = VGG(7, **fields)
    variables = random_variables(model, 33, 3)
    image = np.random.default_rng(1).random((4, 33, 33, 3), np.float32)

    def loss_fn(params: Any) -> Any:
        rngs = {"dropout": jax.random.key(0)}
        logits = model.apply({"params": params}, image, train=True, rngs=rngs)
        return (jnp.asarray(logits) ** 2).mean()

    gradients = jax.jit(jax.grad(loss_fn))(variables["params"])
    zero_gradients = [
        path for path, g in jax.tree_util.tree_leaves_with_path(gradients) if not np.any(g)
    ]
    assert not zero_gradients


def test_logits_are_float32_with_half_precision_layers(
    random_variables: Callable[..., Any],
) -> None:
    variables = random_variables(VGG(7, **TINY), 33, 3)
    image = np.random.default_rng(1).random((2, 33, 33, 3), np.float32)

    @jax.jit
    def both(variables: Any, image: jax.Array) -> tuple[Any, Any, Any]:
        exact = VGG(7, **TINY).apply(variables, image, train=False)
        model = VGG(7, **TINY, dtype=jnp.bfloat16)
        return exact, *capture_activations(model, variables, image, "stage2")

    exact, half, seen = both(variables, image)
    assert seen["stage2"].dtype == jnp.bfloat16
    assert half.dtype == jnp.float32
    assert 0 < np.abs(half - exact).max() < 0.05 * np.abs(exact).max()


def test_initialisation_equals_torchvision() -> None:
    model = VGG(100, stage_sizes=(1,), widths=(64,), head_widths=(32,))
    init = jax.jit(partial(model.init, train=False))
    tree = init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    kernel = tree["stage1"]["conv1"]["kernel"]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 64)), rtol=0.1)
    for layer in (tree["head_dense1"], tree["head"]):
        np.testing.assert_allclose(layer["kernel"].std(), 0.01, rtol=0.05)
        np.testing.assert_array_equal(layer["bias"], 0)
