"""EfficientNet: parameter names and counts, scaling, padding, MBConv by hand, gradients."""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ferjax.models.efficientnet import (
    STAGES,
    EfficientNet,
    EfficientNetB0,
    Stage,
    round_filters,
    round_repeats,
)
from ferjax.models.intermediate_activations import capture_activations
from ferjax.models.registry import abstract_variables

COUNTS = {
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
}
TINY: dict[str, Any] = dict(
    stages=(Stage(1, 3, 1, 8, 1), Stage(2, 5, 2, 16, 2)), stem_width=8, top_width=24
)


def images(side: int) -> np.ndarray:
    return np.random.default_rng(1).random((2, side, side, 3), np.float32)


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameter_counts_and_names(name: str, count: int) -> None:
    tree = abstract_variables(name, 1000)
    sizes = [math.prod(shape) for path, shape in tree.items() if path.startswith("params/")]
    assert sum(sizes) == count
    # Linen's automatic names are the class and a number: Conv_0.
    assert not [path for path in tree if re.search(r"[A-Z]|_\d+/", path)]


def test_widths_and_depths_of_b2_are_the_published_ones() -> None:
    widths = [round_filters(stage.width, 1.1) for stage in STAGES]
    assert [round_filters(32, 1.1), *widths] == [32, 16, 24, 48, 88, 120, 208, 352]
    assert round_filters(1280, 1.1) == 1408
    assert [round_repeats(stage.repeats, 1.2) for stage in STAGES] == [2, 3, 3, 4, 4, 5, 2]
    assert round_filters(10, 1.0) == 16  # 8 would be 20 % smaller


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    leaves = ("params/{}/scale", "params/{}/bias", "batch_stats/{}/mean", "batch_stats/{}/var")
    return {leaf.format(name): (width,) for leaf in leaves}


def conv_norm(stem: str, *kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"params/{stem}_conv/kernel": kernel, **norm(f"{stem}_bn", kernel[-1])}


def biased(name: str, *kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"params/{name}/kernel": kernel, f"params/{name}/bias": kernel[-1:]}


def test_parameter_names_are_the_public_format(random_variables: Callable[..., Any]) -> None:
    model = EfficientNet(7, **{**TINY, "stages": (Stage(1, 3, 1, 8, 1), Stage(2, 5, 2, 16, 1))})
    leaves = jax.tree_util.tree_leaves_with_path(random_variables(model, 32, 3))
    found = {jax.tree_util.keystr(k, simple=True, separator="/"): v.shape for k, v in leaves}
    assert found == {
        **conv_norm("stem", 3, 3, 3, 8),
        **conv_norm("stage1_block0/dw", 3, 3, 1, 8),
        **biased("stage1_block0/se_reduce", 8, 2),
        **biased("stage1_block0/se_expand", 2, 8),
        **conv_norm("stage1_block0/project", 1, 1, 8, 8),
        **conv_norm("stage2_block0/expand", 1, 1, 8, 16),
        **conv_norm("stage2_block0/dw", 5, 5, 1, 16),
        **biased("stage2_block0/se_reduce", 16, 2),
        **biased("stage2_block0/se_expand", 2, 16),
        **conv_norm("stage2_block0/project", 1, 1, 16, 16),
        **conv_norm("top", 1, 1, 16, 24),
        **biased("head", 24, 7),
    }


@pytest.mark.parametrize("side", [32, 33])
@pytest.mark.parametrize("padding", ["same", "symmetric"])
def test_padding_is_same_or_half_the_kernel(
    padding: str, side: int, random_variables: Callable[..., Any]
) -> None:
    model = EfficientNet(7, **TINY, padding=padding)
    variables = random_variables(model, side, 3)
    pattern = r"stem_conv|stage2_block./(expand_bn|dw_conv)"
    activations = jax.jit(partial(capture_activations, model, pattern=pattern))(
        variables, images(side)
    )[1]
    steps = [("stem_conv", images(side), 3, 2)]
    for block, stride in (("stage2_block0", 2), ("stage2_block1", 1)):
        inside = jax.nn.silu(activations[f"{block}/expand_bn"])
        steps.append((f"{block}/dw_conv", inside, 5, stride))
    for name, x, k, stride in steps:
        kernel: Any = variables["params"]
        for key in (*name.split("/"), "kernel"):
            kernel = kernel[key]
        edges = "SAME" if padding == "same" else ((k // 2, k // 2),) * 2
        expected = lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            edges,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1] if k == 5 else 1,
        )
        tolerance = 1e-5 * float(jnp.abs(expected).max())
        np.testing.assert_allclose(activations[name], expected, atol=tolerance, rtol=0)


def test_a_block_equals_the_paper_computed_by_hand(random_variables: Callable[..., Any]) -> None:
    model = EfficientNet(7, **TINY)
    variables = random_variables(model, 32, 3)
    run = partial(capture_activations, model, pattern=r"stage2_block.(/(dw_bn|project_.*))?")
    activations = jax.jit(run)(variables, images(32))[1]
    activations = {name: np.asarray(value) for name, value in activations.items()}
    block = variables["params"]["stage2_block1"]

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return (1 + np.tanh(x / 2)) / 2

    def dense(x: np.ndarray, layer: dict[str, np.ndarray]) -> np.ndarray:
        return x @ layer["kernel"] + layer["bias"]

    inside = activations["stage2_block1/dw_bn"] * sigmoid(activations["stage2_block1/dw_bn"])
    squeezed = dense(inside.mean((1, 2)), block["se_reduce"])
    assert squeezed.shape == (2, 4)  # a quarter of the 16 input channels, not of the 32 expanded
    gate = sigmoid(dense(squeezed * sigmoid(squeezed), block["se_expand"]))
    projected = (inside * gate[:, None, None, :]) @ block["project_conv"]["kernel"][0, 0]
    tolerance = 1e-5 * np.abs(projected).max()
    np.testing.assert_allclose(activations["stage2_block1/project_conv"], projected, atol=tolerance)
    output = activations["stage2_block1/project_bn"] + activations["stage2_block0"]
    np.testing.assert_allclose(activations["stage2_block1"], output, rtol=1e-5)
    # A block with a stride has no shortcut.
    np.testing.assert_array_equal(
        activations["stage2_block0"], activations["stage2_block0/project_bn"]
    )


@pytest.mark.parametrize("padding", [pytest.param("same", marks=pytest.mark.slow), "symmetric"])
def test_gradients_reach_every_parameter(
    padding: str, random_variables: Callable[..., Any]
) -> None:
    model = EfficientNet(7, **TINY, padding=padding, head_widths=(6,))
    variables = random_variables(model, 32, 3)

    def loss_fn(params: Any) -> Any:
        run = {**variables, "params": params}
        rngs = {"dropout": jax.random.key(0)}
        logits, _ = model.apply(run, images(32), train=True, rngs=rngs, mutable=["batch_stats"])
        return (jnp.asarray(logits) ** 2).mean()

    gradients = jax.jit(jax.grad(loss_fn))(variables["params"])
    zero_gradients = [
        path for path, g in jax.tree_util.tree_leaves_with_path(gradients) if not np.any(g)
    ]
    assert not zero_gradients


def test_logits_are_float32_with_half_precision_layers(
    random_variables: Callable[..., Any],
) -> None:
    variables = random_variables(EfficientNet(7, **TINY), 33, 3)
    model = EfficientNet(7, **TINY, dtype=jnp.bfloat16)
    layers = r"stage._block.(/se_expand)?"

    @jax.jit
    def both(variables: Any, image: jax.Array) -> tuple[Any, Any, Any]:
        exact = EfficientNet(7, **TINY).apply(variables, image, train=False)
        return exact, *capture_activations(model, variables, image, layers)

    exact, half, activations = both(variables, images(33))
    assert {value.dtype for value in activations.values()} == {jnp.dtype(jnp.bfloat16)}
    assert half.dtype == jnp.float32
    assert 0 < np.abs(half - exact).max() < 0.05 * np.abs(exact).max()
    rngs = {"dropout": jax.random.key(0)}
    train = partial(model.apply, train=True, mutable=["batch_stats"], rngs=rngs)
    for leaf in jax.tree.leaves(jax.eval_shape(train, variables, images(33))):
        assert leaf.dtype == jnp.float32


def test_initialisation() -> None:
    model = EfficientNet(400, stages=(Stage(1, 5, 1, 16, 1),), stem_width=64, top_width=64)
    init = jax.jit(partial(model.init, train=False))
    tree = init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    stem, depthwise = tree["stem_conv"]["kernel"], tree["stage1_block0"]["dw_conv"]["kernel"]
    np.testing.assert_allclose(stem.std(), np.sqrt(2 / (9 * 64)), rtol=0.05)
    np.testing.assert_allclose(depthwise.std(), np.sqrt(2 / 25), rtol=0.05)
    head = np.abs(tree["head"]["kernel"])
    np.testing.assert_allclose(head.max(), 1 / 20, rtol=0.01)
    np.testing.assert_allclose(head.mean(), 1 / 40, rtol=0.02)


def test_b0_runs_at_the_smallest_side(random_variables: Callable[..., Any]) -> None:
    model = EfficientNetB0(num_classes=7)
    variables = random_variables(model, 32, 1)
    apply = jax.jit(partial(model.apply, train=False))
    first = np.asarray(apply(variables, images(32)[..., :1]))
    second = np.asarray(apply(variables, images(32)[..., 1:2]))
    assert first.shape == (2, 7)
    assert np.isfinite(first).all()
    assert np.abs(first - second).max() > 0
