"""ResNet: parameter names and counts, features, strides, precision and initialisation."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.models.intermediate_activations import capture_activations
from ferjax.models.resnet import ResNet, ResNet18, ResNet34, ResNet50, ResNet101, ResNet152

COUNTS = [
    (ResNet18, 11_689_512),
    (ResNet34, 21_797_672),
    (ResNet50, 25_557_032),
    (ResNet101, 44_549_160),
    (ResNet152, 60_192_808),
]


def shapes(model: Any, channels: int = 3) -> dict[str, tuple[int, ...]]:
    """Returns {path: shape} of every variable, without computing any."""
    image = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
    tree = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), image)
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(k, simple=True, separator="/"): v.shape for k, v in leaves}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    leaves = ("params/{}/scale", "params/{}/bias", "batch_stats/{}/mean", "batch_stats/{}/var")
    return {leaf.format(name): (width,) for leaf in leaves}


def conv_norm(conv: str, norm_name: str, *kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"params/{conv}/kernel": kernel, **norm(norm_name, kernel[-1])}


@pytest.mark.parametrize(("build", "count"), COUNTS)
def test_parameter_counts_and_names(build: Any, count: int) -> None:
    tree = shapes(build(num_classes=1000))
    sizes = [int(np.prod(shape)) for path, shape in tree.items() if path.startswith("params/")]
    assert sum(sizes) == count
    # Linen's own names are the class and a number: Conv_0.
    assert not [path for path in tree if re.search(r"[A-Z]|_\d+/", path)]


def test_parameter_names_are_the_public_format() -> None:
    head = {"params/head/kernel": (16, 7), "params/head/bias": (7,)}
    small: dict[str, Any] = dict(stage_sizes=(1, 1), widths=(8, 16))
    assert shapes(ResNet(7, block="basic", **small), channels=1) == {
        **conv_norm("stem_conv", "stem_bn", 7, 7, 1, 8),
        **conv_norm("stage1_block0/conv1", "stage1_block0/bn1", 3, 3, 8, 8),
        **conv_norm("stage1_block0/conv2", "stage1_block0/bn2", 3, 3, 8, 8),
        **conv_norm("stage2_block0/conv1", "stage2_block0/bn1", 3, 3, 8, 16),
        **conv_norm("stage2_block0/conv2", "stage2_block0/bn2", 3, 3, 16, 16),
        **conv_norm("stage2_block0/downsample_conv", "stage2_block0/downsample_bn", 1, 1, 8, 16),
        **head,
    }
    bottleneck = shapes(ResNet(0, (2,), "bottleneck", widths=(8,)))
    assert bottleneck == {
        **conv_norm("stem_conv", "stem_bn", 7, 7, 3, 8),
        **conv_norm("stage1_block0/conv1", "stage1_block0/bn1", 1, 1, 8, 8),
        **conv_norm("stage1_block0/conv2", "stage1_block0/bn2", 3, 3, 8, 8),
        **conv_norm("stage1_block0/conv3", "stage1_block0/bn3", 1, 1, 8, 32),
        **conv_norm("stage1_block0/downsample_conv", "stage1_block0/downsample_bn", 1, 1, 8, 32),
        **conv_norm("stage1_block1/conv1", "stage1_block1/bn1", 1, 1, 32, 8),
        **conv_norm("stage1_block1/conv2", "stage1_block1/bn2", 3, 3, 8, 8),
        **conv_norm("stage1_block1/conv3", "stage1_block1/bn3", 1, 1, 8, 32),
    }


def test_conv_bias_is_one_of_every_convolution() -> None:
    fields: dict[str, Any] = dict(stage_sizes=(1, 1), block="bottleneck", widths=(8, 16))
    plain, with_bias = shapes(ResNet(7, **fields)), shapes(ResNet(7, **fields, conv_bias=True))
    kernels = {path: shape for path, shape in plain.items() if len(shape) == 4}
    biases = {path.replace("kernel", "bias"): shape[-1:] for path, shape in kernels.items()}
    assert with_bias == {**plain, **biases}


@pytest.mark.parametrize(
    ("block", "on_3x3", "sides"),
    [
        ("bottleneck", True, (8, 4, 4)),
        ("bottleneck", False, (4, 4, 4)),
        ("basic", True, (4, 4)),
        ("basic", False, (4, 4)),
    ],
)
def test_which_convolution_of_a_block_has_the_stride(
    block: str, on_3x3: bool, sides: tuple[int, ...], random_variables: Callable[..., Any]
) -> None:
    fields: dict[str, Any] = dict(stage_sizes=(1, 1), block=block, widths=(4, 4))
    model = ResNet(7, **fields, stride_on_3x3=on_3x3)
    variables = random_variables(model, 32, 3)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    run = partial(capture_activations, model, pattern=r"stage2_block0(/(conv\d|downsample_conv))?")
    sides_of = {
        name: value.shape[1] for name, value in jax.eval_shape(run, variables, image)[1].items()
    }
    assert sides_of.pop("stage2_block0") == sides_of.pop("stage2_block0/downsample_conv") == 4
    assert tuple(sides_of[f"stage2_block0/conv{i}"] for i in range(1, len(sides) + 1)) == sides


@pytest.mark.parametrize(("block", "on_3x3"), [("basic", True), ("bottleneck", False)])
def test_gradients_reach_every_parameter(
    block: str, on_3x3: bool, random_variables: Callable[..., Any]
) -> None:
    model = ResNet(7, (1, 1), block, (4, 8), head_widths=(6,), dropout=0.1, stride_on_3x3=on_3x3)
    variables = random_variables(model, 33, 3)
    image = np.random.default_rng(1).random((4, 33, 33, 3), np.float32)

    def loss_fn(params: Any) -> Any:
        run = {**variables, "params": params}
        rngs = {"dropout": jax.random.key(0)}
        logits, _ = model.apply(run, image, train=True, rngs=rngs, mutable=["batch_stats"])
        return (jnp.asarray(logits) ** 2).mean()

    gradients = jax.jit(jax.grad(loss_fn))(variables["params"])
    zero_gradients = [
        path for path, g in jax.tree_util.tree_leaves_with_path(gradients) if not np.any(g)
    ]
    assert not zero_gradients


def test_half_precision_is_of_the_inside_only(random_variables: Callable[..., Any]) -> None:
    small: dict[str, Any] = dict(stage_sizes=(1,), block="bottleneck", widths=(8,))
    variables = random_variables(ResNet(7, **small), 33, 3)
    image = np.random.default_rng(1).random((2, 33, 33, 3), np.float32)
    model = ResNet(7, **small, dtype=jnp.bfloat16)
    apply = partial(model.apply, train=True, mutable=["batch_stats"])
    for leaf in jax.tree.leaves(jax.eval_shape(apply, variables, image)):
        assert leaf.dtype == jnp.float32
    exact, half = jax.jit(
        lambda v, x: [m.apply(v, x, train=False) for m in (ResNet(7, **small), model)]
    )(variables, image)
    assert half.dtype == jnp.float32
    assert 0 < np.abs(half - exact).max() < 0.05 * np.abs(exact).max()


def test_initialisation_is_he_normal_by_fan_out() -> None:
    model = ResNet(7, stage_sizes=(1,), block="basic", widths=(64,))
    init = jax.jit(partial(model.init, train=False))
    tree = init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    for kernel in (
        tree["params"]["stem_conv"]["kernel"],
        tree["params"]["stage1_block0"]["conv1"]["kernel"],
    ):
        side, _, _, width = kernel.shape
        np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (side**2 * width)), rtol=0.05)
        # Not a truncated normal, as in torch: the largest of thousands of values is far out.
        assert np.abs(kernel).max() > 3 * kernel.std()
    block = tree["params"]["stage1_block0"]
    for name in ("bn1", "bn2"):
        np.testing.assert_array_equal(block[name]["scale"], 1)
        np.testing.assert_array_equal(block[name]["bias"], 0)
