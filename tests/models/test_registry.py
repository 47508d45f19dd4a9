"""Every registered network: shapes, parameter names and counts, dropout, gradients, refusals."""

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.models.awei import JUMPERS
from ferjax.models.cnn import pooled_sides
from ferjax.models.registry import MODELS, abstract_variables, check_image, create_model

# One network in each row: name, fields, image sides to test, numbers of channels to test.
CASES: list[tuple[str, dict[str, Any], tuple[int, ...], tuple[int, ...]]] = [
    *(("awei", {"jumper": jumper}, (32, 64), (3,)) for jumper in JUMPERS),
    ("base_cnn", {}, (16, 28, 48), (1, 3)),
    *((f"cnn{depth}", {}, (6, 12, 48), (1, 3)) for depth in range(3, 7)),
    *((f"resnet{depth}", {}, (32, 65), (1, 3)) for depth in (18, 50)),
    ("vgg16", {}, (32, 65), (1, 3)),
    ("vgg16", {"pooling": "mean", "head_widths": ()}, (33,), (3,)),
    ("efficientnet_b0", {"head_widths": (16,)}, (32, 65), (3,)),
]
NAMES = ["-".join([name, *map(str, fields.values())]) for name, fields, *_ in CASES]
# The ImageNet families are tried in small, in files of their own. Of the rest these hold every
# layer and both forms of a jumper; the others differ from them in depth or wiring only.
REPRESENTATIVE = ("awei-input", "awei-staged", "base_cnn", "cnn6")
DROPPING = [
    pytest.param(*case, id=name, marks=() if name in REPRESENTATIVE else pytest.mark.slow)
    for name, case in zip(NAMES, CASES, strict=True)
    if MODELS[case[0]].family is None
]


def shapes(name: str, side: int, channels: int, classes: int = 7, **fields: Any) -> dict[str, Any]:
    """Returns {path: shape} of every variable, without computing any."""
    model = create_model(name, classes, **fields)
    image = jax.ShapeDtypeStruct((1, side, side, channels), jnp.float32)
    init = functools.partial(model.init, train=False)
    tree = jax.eval_shape(init, jax.random.key(0), image)
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(k, simple=True, separator="/"): v.shape for k, v in leaves}


def parameter_count(name: str, side: int, channels: int, **fields: Any) -> int:
    tree = shapes(name, side, channels, **fields)
    return sum(int(np.prod(shape)) for path, shape in tree.items() if path.startswith("params/"))


@pytest.mark.parametrize(("name", "fields", "sides", "channels"), CASES, ids=NAMES)
def test_logits_are_float32_of_the_class_count(
    name: str, fields: dict[str, Any], sides: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    # None depends on another, so that each value once is enough.
    kinds = itertools.cycle([(7, jnp.float32), (8, jnp.bfloat16)])
    count = max(2, len(sides), len(channels))
    images = zip(itertools.cycle(sides), itertools.cycle(channels), range(count), strict=False)
    for (classes, dtype), (side, depth, _) in zip(kinds, images, strict=False):
        model = create_model(name, classes, **fields, dtype=dtype)
        check_image(name, side, depth)
        image = jax.ShapeDtypeStruct((2, side, side, depth), jnp.float32)
        init = functools.partial(model.init_with_output, train=False)
        logits, variables = jax.eval_shape(init, jax.random.key(0), image)
        assert (logits.shape, logits.dtype) == ((2, classes), jnp.float32)
        assert all(v.dtype == jnp.float32 for v in jax.tree.leaves(variables))


@pytest.mark.parametrize(("name", "fields", "sides", "channels"), DROPPING)
def test_dropout_in_training_only_and_gradients_everywhere(
    name: str,
    fields: dict[str, Any],
    sides: tuple[int, ...],
    channels: tuple[int, ...],
    random_variables: Callable[..., Any],
) -> None:
    model = create_model(name, 7, **fields)
    variables = random_variables(model, sides[0], channels[0])
    image = np.random.default_rng(1).random((4, sides[0], sides[0], channels[0]), np.float32)

    @jax.jit
    def training(params: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        def loss_fn(params: Any) -> tuple[jax.Array, jax.Array]:
            run = {**variables, "params": params}
            logits, _ = model.apply(run, image, train=True, rngs={"dropout": key}, mutable=True)
            logits = jnp.asarray(logits)
            return -jax.nn.log_softmax(logits)[:, 0].sum(), logits

        gradients, logits = jax.grad(loss_fn, has_aux=True)(params)
        return logits, gradients

    keys = jax.random.split(jax.random.key(2), 2)
    (first, gradients), (second, _) = (training(variables["params"], key) for key in keys)
    assert (first != second).any()
    np.testing.assert_array_equal(first, training(variables["params"], keys[0])[0])
    zero_gradients = [
        path for path, g in jax.tree_util.tree_leaves_with_path(gradients) if not np.any(g)
    ]
    assert not zero_gradients
    # Evaluation is called without a dropout key, so it cannot drop anything.
    evaluate = functools.partial(model.apply, train=False)
    assert jax.eval_shape(evaluate, variables, image).shape == (4, 7)


def conv_bn(block: int, inputs: int, width: int) -> dict[str, tuple[int, ...]]:
    return {
        f"params/conv{block}/kernel": (3, 3, inputs, width),
        f"params/bn{block}/scale": (width,),
        f"params/bn{block}/bias": (width,),
        f"batch_stats/bn{block}/mean": (width,),
        f"batch_stats/bn{block}/var": (width,),
    }


def biased(name: str, *kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"params/{name}/kernel": kernel, f"params/{name}/bias": kernel[-1:]}


AWEI_TRUNK = {
    **biased("conv1", 3, 3, 3, 32),
    **biased("conv2", 3, 3, 32, 64),
    **biased("conv3", 3, 3, 64, 128),
    **biased("conv4", 3, 3, 128, 256),
    **biased("conv5", 3, 3, 256, 512),
    **biased("dense", 2 * 2 * 512, 1792),
    **biased("head", 1792, 7),
}


def test_parameter_names_are_the_public_format() -> None:
    # Checkpoints, converters and --freeze name parameters by these paths.
    assert shapes("cnn3", 48, 1) == {
        **conv_bn(1, 1, 32),
        **conv_bn(2, 32, 64),
        **conv_bn(3, 64, 128),
        **biased("dense", 6 * 6 * 128, 256),
        **biased("head", 256, 7),
    }
    assert shapes("base_cnn", 48, 1) == {
        **biased("conv1", 5, 5, 1, 10),
        **biased("conv2", 5, 5, 10, 20),
        **biased("dense", 9 * 9 * 20, 50),
        **biased("head", 50, 7),
    }
    assert shapes("awei", 64, 3, jumper="none") == AWEI_TRUNK
    assert shapes("awei", 64, 3) == {**AWEI_TRUNK, **biased("jumper", 3, 3, 3, 512)}
    assert shapes("awei", 64, 3, jumper="conv1") == {
        **AWEI_TRUNK,
        **biased("jumper", 3, 3, 32, 512),
    }
    assert shapes("awei", 64, 3, jumper="staged") == {
        **AWEI_TRUNK,
        **biased("jumper1", 3, 3, 32, 128),
        **biased("jumper2", 3, 3, 128, 512),
    }
    assert shapes("awei", 64, 3, jumper="double") == {
        **AWEI_TRUNK,
        **biased("jumper1", 3, 3, 3, 128),
        **biased("jumper2", 3, 3, 128, 512),
    }


def test_parameter_counts_computed_by_hand() -> None:
    convolutions = (
        (9 * 3 + 1) * 32
        + (9 * 32 + 1) * 64
        + (9 * 64 + 1) * 128
        + (9 * 128 + 1) * 256
        + (9 * 256 + 1) * 512
    )
    # At 224 the trunk ends at 7x7x512 = 25,088.
    trunk = convolutions + (25_088 + 1) * 1792 + (1792 + 1) * 7
    assert trunk == 46_540_615
    assert parameter_count("awei", 224, 3, jumper="none") == trunk
    assert parameter_count("awei", 224, 3, jumper="input") == trunk + (9 * 3 + 1) * 512
    assert parameter_count("awei", 224, 3, jumper="conv1") == trunk + (9 * 32 + 1) * 512
    two_jumper_convolution = (9 * 128 + 1) * 512
    assert (
        parameter_count("awei", 224, 3, jumper="staged")
        == trunk + (9 * 32 + 1) * 128 + two_jumper_convolution
    )
    assert (
        parameter_count("awei", 224, 3, jumper="double")
        == trunk + (9 * 3 + 1) * 128 + two_jumper_convolution
    )

    widths = (32, 64, 128, 256, 512, 512)
    for depth, pooled in ((3, 6), (4, 3), (5, 3), (6, 3)):
        pairs = zip((1, *widths), widths[:depth], strict=False)
        blocks = sum(9 * inputs * width + 2 * width for inputs, width in pairs)
        dense = (pooled**2 * widths[depth - 1] + 1) * 256
        assert parameter_count(f"cnn{depth}", 48, 1) == blocks + dense + (256 + 1) * 7
    # 28 px is MNIST: PyTorch's example has 10 classes and 21,840 parameters.
    assert parameter_count("base_cnn", 28, 1, classes=10) == 21_840


def test_pooled_sides_at_48() -> None:
    assert list(pooled_sides(48, 6)) == [24, 12, 6, 3, 3, 3]
    assert list(pooled_sides(44, 4)) == [22, 11, 0]


@pytest.mark.parametrize(
    ("name", "side", "nearest"),
    [
        ("awei", 48, "32 or 64"),
        ("awei", 8, "32"),
        ("awei", 225, "224 or 256"),
        ("base_cnn", 50, "48 or 52"),
        ("base_cnn", 12, "16"),
        ("cnn3", 5, "6"),
        ("cnn3", 49, "48 or 56"),
        ("cnn6", 50, "48 or 64"),
        ("resnet18", 31, "32"),
        ("vgg19", 31, "32"),
        ("efficientnet_b1", 8, "32"),
    ],
)
def test_the_error_for_a_wrong_size_names_the_nearest_valid_sizes(
    name: str, side: int, nearest: str
) -> None:
    channels = 3 if name == "awei" else 1
    words = rf"--image_size={side}: .*{name}.* Nearest that work: {nearest}\.$"
    with pytest.raises(UserError, match=words):
        check_image(name, side, channels)
    for size in map(int, nearest.split(" or ")):
        check_image(name, size, channels)


def test_the_network_runs_at_every_accepted_size() -> None:
    smallest = ("resnet18", "vgg16", "efficientnet_b0")
    for name in (n for n, entry in MODELS.items() if entry.family is None or n in smallest):
        entry = MODELS[name]
        channels = entry.channels or 1
        sides = (47,) if entry.family else range(1, 50)  # 32 and 65: above
        for side in filter(entry.takes_side, sides):
            assert shapes(name, side, channels)["params/head/kernel"][1] == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("awai", 7, {}), "unknown model 'awai'. Did you mean 'awei'? Known: awei, base_cnn"),
        (("awei", 7, {"jumper": "stagged"}), "--jumper 'stagged'. Did you mean 'staged'?"),
        (("cnn3", 7, {"jumper": "input"}), "--jumper=input: cnn3 has no jumper. It takes: dropout"),
        (("cnn3", 7, {"depth": 4}), "--depth=4: cnn3 has no depth"),
        (("resnet18", 7, {"pooling": "mean"}), "resnet18 has no pooling. It takes: dropout, head_"),
        (("vgg16", 7, {"conv_bias": True}), "vgg16 has no conv_bias"),
        (("vgg16", 7, {"pooling": "men"}), "--pooling 'men'. Did you mean 'mean'?"),
        (("efficientnet_b0", 7, {"padding": "sane"}), "--padding 'sane'. Did you mean 'same'?"),
        (("resnet50", 7, {"head_widths": (64, 0)}), "--head_widths=64,0: every width is at least"),
        (("base_cnn", 1, {}), "base_cnn: 1 classes given, at least 2"),
        (("resnet18", -1, {}), "resnet18: -1 classes given, at least 2"),
        (("resnet18", "7", {}), "resnet18: '7' classes given, at least 2"),
        (("fernet_s", 7, {"dropout": 2.0}), "--dropout=2.0: expected at most 1"),
        (("fernet_s", 7, {"dropout": "0.1"}), "--dropout=0.1: float expected, found str"),
        (("fernet_s", 7, {"head_widths": 64}), "--head_widths=64: tuple expected, found int"),
        (("fernet_s", 7, {"head_widths": (64.5,)}), "--head_widths=64.5: every width is at least"),
        (("efficientnet_b0", 7, {"stochastic_depth": -1}), "--stochastic_depth=-1: expected at l"),
    ],
)
def test_unknown_names_fields_and_values_raise_errors(arguments: tuple, words: str) -> None:
    name, classes, fields = arguments
    with pytest.raises(UserError, match=re.escape(words)):
        create_model(name, classes, **fields)


def test_awei_rejects_grey_images() -> None:
    with pytest.raises(UserError, match="--channels=1: awei takes 3 channels"):
        check_image("awei", 64, 1)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in (*REPRESENTATIVE, "awei") else pytest.mark.slow)
        for name, entry in MODELS.items()
        if entry.family is None
    ],
)
def test_no_classes_means_what_would_enter_the_head(
    name: str, random_variables: Callable[..., Any]
) -> None:
    variables = random_variables(create_model(name, 7), 32, 3)
    image = np.random.default_rng(1).random((2, 32, 32, 3), np.float32)
    features, logits = jax.jit(
        lambda v, x: [create_model(name, k).apply(v, x, train=False) for k in (0, 7)]
    )(variables, image)
    head = variables["params"]["head"]
    assert (features.shape, features.dtype) == ((2, len(head["kernel"])), jnp.float32)
    expected = np.asarray(features) @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def test_families_and_source_fields_of_pretrained_weights() -> None:
    families = {name: re.sub(r"(_b)?\d+$", "", name) for name in MODELS}
    for name, entry in MODELS.items():
        known = families[name] in ("resnet", "vgg", "efficientnet")
        assert entry.family == (families[name] if known else None)
        # The module takes the fields that weights set; they are not flags.
        assert not set(entry.fields) & set(entry.source_fields)
        module = entry.build(num_classes=7)
        named = (*entry.fields, *entry.source_fields, "dtype")  # --precision=bf16 sets `dtype`
        assert all(hasattr(module, field) for field in named)


def test_source_fields_and_lists_reach_the_module() -> None:
    fields: dict[str, Any] = dict(conv_bias=True, stride_on_3x3=False, bn_eps=1.001e-5)
    model: Any = create_model("resnet50", 7, **fields, bn_momentum=0.99, head_widths=[8, 4])
    assert {name: getattr(model, name) for name in fields} == fields
    assert (model.bn_momentum, model.head_widths) == (0.99, (8, 4))
    model = create_model("efficientnet_b1", 7, padding="same", bn_eps=1e-3)
    assert (model.padding, model.bn_eps, model.dropout) == ("same", 1e-3, 0.2)


def test_abstract_variables_are_those_of_init() -> None:
    assert abstract_variables("resnet18", 7) == shapes("resnet18", 64, 3)
    assert abstract_variables("vgg16", 7, head_widths=(8,)) == shapes(
        "vgg16", 224, 3, head_widths=(8,)
    )
    assert abstract_variables("awei", 0) == {
        path: shape
        for path, shape in shapes("awei", 32, 3).items()
        if not path.startswith("params/head/")
    }
