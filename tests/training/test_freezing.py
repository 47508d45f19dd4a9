"""What a phase freezes: patterns, refusals, and which modules are still."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.errors import UserError
from ferjax.models.registry import MODELS, abstract_variables
from ferjax.runtime.variable_tree import flatten, split_tree, unflatten
from ferjax.training.freezing import check_frozen, frozen_pattern, untrained_modules

PARAMS: dict[str, Any] = {
    "stem_conv": {"kernel": 0},
    "stem_bn": {"scale": 0, "bias": 0},
    "stage1_block0": {
        "conv1": {"kernel": 0, "bias": 0},
        "bn1": {"scale": 0, "bias": 0},
    },
    "head_dense1": {"kernel": 0, "bias": 0},
    "head": {"kernel": 0, "bias": 0},
}


def trained(freeze: str, always: str | None = None) -> set[str]:
    """Returns the paths that are trained."""
    return set(flatten(split_tree(PARAMS, frozen_pattern(freeze, always))[0]))


def test_named_patterns() -> None:
    everything = set(flatten(PARAMS))
    assert frozen_pattern("none", None) is None
    assert trained("none") == everything
    assert trained("all_but_head") == {path for path in everything if path.startswith("head")}
    assert trained("stem_.*") == {path for path in everything if not path.startswith("stem")}


@pytest.mark.parametrize("freeze", ["none", "all_but_head", "stem_.*", "a|stem_bn/.*"])
def test_what_is_always_frozen_stays_so(freeze: str) -> None:
    without = {path for path in trained(freeze) if not path.startswith("stage1")}
    assert trained(freeze, "stage1_.*") == without
    # Alternatives of one pattern do not swallow the other's.
    assert trained(freeze, "x|stage1_.*") == without


@pytest.mark.parametrize("freeze", ["none", "all_but_head", "stem_.*|stage1_block0/.*"])
@pytest.mark.parametrize("always", [None, "guide/.*", "stem_conv/.*"])
def test_what_makes_sense_is_taken(freeze: str, always: str | None) -> None:
    check_frozen(PARAMS, freeze, always)


@pytest.mark.parametrize(
    ("freeze", "always", "words"),
    [
        ("layer1/.*", None, "matches no parameter.*stem_conv/kernel; uppermost layers: stem_conv,"),
        # A part of a path is no path.
        ("stem_conv", None, "matches no parameter"),
        ("kernel", None, "matches no parameter"),
        (".*", None, "matches every parameter: nothing would be trained"),
        ("(stem|stage).*", "head.*", "matches every parameter"),
        ("stem_bn/scale", None, "one half of batch norm stem_bn.*stem_bn/"),
        (".*/bias", None, "one half of batch norm"),
        ("stage1_block0/bn1/bias", None, "one half of batch norm stage1_block0/bn1"),
    ],
)
def test_what_makes_none_is_refused(freeze: str, always: str | None, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        check_frozen(PARAMS, freeze, always)
    assert str(caught.value).startswith(f"--freeze={freeze} ")


def test_still_modules_by_hand() -> None:
    assert untrained_modules(PARAMS, None) == frozenset()
    assert untrained_modules(PARAMS, "stem_.*") == {"stem_conv", "stem_bn"}
    # One trained bias keeps its convolution and their block awake, not the batch norm beside it.
    pattern = "stage1_block0/(bn1/.*|conv1/kernel)"
    assert untrained_modules(PARAMS, pattern) == {"stage1_block0/bn1"}
    block = {"stage1_block0", "stage1_block0/bn1", "stage1_block0/conv1"}
    assert untrained_modules(PARAMS, "stage1_block0/.*") == block
    everything_else = {"stem_conv", "stem_bn", *block}
    assert untrained_modules(PARAMS, frozen_pattern("all_but_head", None)) == everything_else


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


def compatible(paths: list[str]) -> list[str]:
    """Returns the paths without those that another goes on from: a leaf is no branch."""
    return [p for p in paths if not any(other.startswith(f"{p}/") for other in paths)]


@settings(deadline=None)
@given(
    paths=st.lists(PATHS, unique=True, min_size=1, max_size=8).map(compatible),
    pattern=st.sampled_from(["a.*", ".*c", "b/.*|c", "(a|b)(/.)?", ".*", "x", "a/(b|c/.*)"]),
)
def test_a_module_is_still_iff_none_of_its_parameters_is_trained(
    paths: list[str], pattern: str
) -> None:
    found = untrained_modules(unflatten(dict.fromkeys(paths, 0)), pattern)
    modules = {p[:cut] for p in paths for cut in range(len(p)) if p[cut] == "/"}
    for module in modules:
        inside = [path for path in paths if path.startswith(f"{module}/")]
        assert (module in found) == all(re.fullmatch(pattern, path) for path in inside)
    assert found <= modules


@pytest.mark.parametrize(
    ("name", "fields"), [("awei", {"guide": "vgg16"}), ("cnn3", {}), ("resnet18", {})]
)
def test_every_network_has_a_head_to_train(name: str, fields: dict[str, Any]) -> None:
    variables = unflatten(abstract_variables(name, 7, **fields))
    always = MODELS[name].frozen
    check_frozen(variables["params"], "all_but_head", always)
    left = split_tree(variables["params"], frozen_pattern("all_but_head", always))[0]
    assert set(flatten(left)) == {"head/kernel", "head/bias"}
    if name == "awei":
        assert "guide" in untrained_modules(variables["params"], always)
    norms = {path.rpartition("/")[0] for path in flatten(variables.get("batch_stats", {}))}
    pattern = frozen_pattern("all_but_head", always)
    assert norms <= untrained_modules(variables["params"], pattern)
