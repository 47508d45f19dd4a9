"""Since when parameters are trained, and how fast for their depth: by hand, on every network."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.errors import UserError
from ferjax.models.awei import JUMPERS
from ferjax.models.registry import MODELS, abstract_variables
from ferjax.runtime.variable_tree import flatten, unflatten
from ferjax.training.optimizers.parameter_groups import optimizer_state_labels, rate_factors

LAYERS = (r"stem/.*", r"stage(\d+)_block(\d+)/.*", r"head(?:_dense\d+)?/.*")
PATHS = ["stem/kernel", "stage2_block0/bn/scale", "stage10_block0/kernel", "head/kernel"]


def zeros(*paths: str) -> dict[str, Any]:
    return unflatten(dict.fromkeys(paths, 0.0))


def test_labels_by_hand() -> None:
    backbone = r"(stem|stage.*)/.*"
    patterns = [backbone, r"stem/.*", None, backbone, None]
    expected = [
        {"head": 1},
        {"head": 1, "stage": 2},
        {"head": 1, "stage": 2, "stem": 3},
        {"head": 1},
        # What was frozen in between starts anew.
        {"head": 1, "stage": 5, "stem": 5},
    ]
    for phase, since in enumerate(expected):
        labels = optimizer_state_labels(
            patterns, phase, zeros(*(f"{name}/kernel" for name in since))
        )
        assert labels == {name: {"kernel": f"phase{k}"} for name, k in since.items()}


@given(frozen=st.lists(st.sets(st.sampled_from(PATHS)), min_size=1, max_size=6))
def test_labels_name_the_start_of_the_last_unbroken_run(frozen: list[set[str]]) -> None:
    patterns = ["|".join(map(re.escape, sorted(paths))) or None for paths in frozen]
    for phase, now in enumerate(frozen):
        trained = [path for path in PATHS if path not in now]
        for path, label in flatten(
            optimizer_state_labels(patterns, phase, zeros(*trained))
        ).items():
            since = int(label.removeprefix("phase")) - 1
            assert all(path not in paths for paths in frozen[since : phase + 1])
            assert since == 0 or path in frozen[since - 1]


def test_factors_by_hand() -> None:
    paths = [*PATHS, "stage2_block1/kernel", "stage2_block0/kernel", "head_dense1/kernel"]
    factors = rate_factors(zeros(*paths), LAYERS, backbone_factor=0.1, layer_decay=0.5)
    assert flatten(factors or {}) == pytest.approx(
        {
            "head/kernel": 1.0,
            "head_dense1/kernel": 1.0,
            "stage10_block0/kernel": 0.05,  # by number: 10 comes after 2
            "stage2_block1/kernel": 0.025,
            "stage2_block0/kernel": 0.0125,
            "stage2_block0/bn/scale": 0.0125,
            "stem/kernel": 0.00625,
        }
    )


def test_each_factor_alone() -> None:
    backbone = rate_factors(zeros(*PATHS), LAYERS, backbone_factor=0.1)
    assert flatten(backbone or {}) == {p: 1.0 if p == "head/kernel" else 0.1 for p in PATHS}
    decay = rate_factors(zeros(*PATHS), LAYERS, layer_decay=0.5)
    assert flatten(decay or {}) == dict(zip(PATHS, [0.125, 0.25, 0.5, 1.0], strict=True))
    assert rate_factors(zeros(*PATHS), LAYERS) is None


def test_parameters_in_no_layer_or_in_two_are_refused() -> None:
    layers = (r"stem/.*", r"st.*", LAYERS[-1])
    with pytest.raises(UserError) as error:
        rate_factors(zeros("stem/kernel", "neck/kernel", "head/kernel"), layers, layer_decay=0.5)
    assert "--layer_decay=0.5" in str(error.value)
    assert "neck/kernel in 0" in str(error.value)
    assert "stem/kernel in 2" in str(error.value)
    assert "head/kernel" not in str(error.value)


@pytest.mark.parametrize(
    ("factors", "flags"),
    [
        ({"backbone_factor": 0.1}, "--backbone_factor=0.1:"),
        ({"layer_decay": 0.7}, "--layer_decay=0.7:"),
        (
            {"backbone_factor": 0.1, "layer_decay": 0.7},
            "--backbone_factor=0.1 --layer_decay=0.7:",
        ),
    ],
)
def test_factors_without_a_layer_below_the_head_are_refused(
    factors: dict[str, float], flags: str
) -> None:
    """As of a network that `register_model` added without its layers."""
    params = zeros("conv1/kernel", "head/kernel")
    assert rate_factors(params, (".*",)) is None
    with pytest.raises(UserError, match=r"no layer below its head .*register_model") as error:
        rate_factors(params, (".*",), **factors)
    assert str(error.value).startswith(flags)
    layers = ("conv.*", "head/.*")  # those of the error's example
    assert flatten(rate_factors(params, layers, **factors) or {})["conv1/kernel"] < 1


def test_a_long_list_of_strays_is_cut() -> None:
    with pytest.raises(UserError, match=r"and 15 more\. Layers: stem"):
        rate_factors(zeros(*(f"neck{i}/kernel" for i in range(20))), LAYERS, layer_decay=0.5)


# Layers below the head, counted in the architectures.
EXPECTED = {
    "resnet18": {
        "stem_conv/kernel": 9,
        "stem_bn/scale": 9,
        "stage1_block0/conv1/kernel": 8,
        "stage3_block0/downsample_conv/kernel": 4,
        "stage4_block1/bn2/bias": 1,
    },
    "resnet50": {"stem_conv/kernel": 17, "stage3_block5/conv2/kernel": 4},
    "efficientnet_b0": {
        "stem_conv/kernel": 18,
        "stage1_block0/dw_conv/kernel": 17,
        "stage7_block0/se_expand/bias": 2,
        "top_bn/scale": 1,
    },
    "vgg16": {"stage1/conv1/kernel": 13, "stage3/conv3/bias": 7, "stage5/conv3/kernel": 1},
    "vgg19": {"stage1/conv1/kernel": 16, "stage5/conv4/kernel": 1},
    "cnn6": {"conv1/kernel": 7, "bn1/scale": 7, "conv6/kernel": 2, "dense/kernel": 1},
    "base_cnn": {"conv1/kernel": 3, "conv2/bias": 2, "dense/bias": 1},
    "awei": {
        "guide/stage1/conv1/kernel": 7,
        "conv1/kernel": 6,
        "jumper1/kernel": 4,
        "conv3/kernel": 4,
        "jumper/kernel": 2,
        "jumper2/bias": 2,
        "conv5/kernel": 2,
        "dense/kernel": 1,
    },
}
# More of the blocks of a shallower one, which take seconds to trace.
DEEP = {"resnet101", "resnet152", "efficientnet_b1", "efficientnet_b2"}
CASES: list[Any] = [
    *((name, {}) for name in MODELS if name not in {"awei", *DEEP}),
    *(pytest.param(name, {}, marks=pytest.mark.slow) for name in sorted(DEEP)),
    *((name, {"head_widths": (8, 8)}) for name in ("resnet18", "vgg16", "efficientnet_b0")),
    ("resnet50", {"conv_bias": True}),
    ("vgg16", {"pooling": "mean"}),
    *(("awei", {"jumper": jumper, "guide": "vgg16"}) for jumper in JUMPERS),
]


@pytest.mark.parametrize(("name", "fields"), CASES, ids=lambda value: str(value))
def test_every_parameter_of_every_network_stands_in_one_layer(
    name: str, fields: dict[str, Any]
) -> None:
    variables = unflatten(abstract_variables(name, 7, **fields))
    factors = flatten(rate_factors(variables["params"], MODELS[name].layers, layer_decay=0.5) or {})
    assert set(factors) == set(flatten(variables["params"]))
    assert {path for path, factor in factors.items() if factor == 1} == {
        path for path in factors if path.startswith(("head/", "head_dense"))
    }
    for path, depth in EXPECTED.get(name, {}).items():
        # Which jumpers there are depends on the variant.
        assert factors.get(path, 0.5**depth if "jumper" in path else None) == 0.5**depth
