"""Matching, conversion and export with a small table: results, and all errors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.convert.catalogue.input_specs import IMAGENET
from ferjax.convert.rules.axis_layouts import KEEP, OI_TO_IO
from ferjax.convert.rules.match_and_convert import Leaf, Rule, Table, convert, export, match
from ferjax.convert.rules.name_templates import fill, parse, translate
from ferjax.errors import UserError

RULES = (
    Rule("layer{s-1}.{b:letter}.weight", "params/stage{s}_block{b}/kernel", OI_TO_IO),
    Rule("fc.weight", "params/head/kernel", OI_TO_IO),
    Rule("fc.bias", "params/head/bias", KEEP),
    Rule("logits.bias", "params/head/bias", KEEP),
)
TABLE = Table("resnet", "timm", RULES, (r".*\.counter",), {}, IMAGENET, ())
SOURCE = {
    "layer0.a.weight": Leaf((4, 3), "float32"),
    "layer0.b.weight": Leaf((5, 4), "float16"),
    "fc.weight": Leaf((7, 5), "float32"),
    "fc.bias": Leaf((7,), "float32"),
    "bn.counter": Leaf((), "int64"),
}
TARGET = {
    "params/stage1_block0/kernel": (3, 4),
    "params/stage1_block1/kernel": (4, 5),
    "params/head/kernel": (5, 7),
    "params/head/bias": (7,),
}


def error_message(
    source: Mapping[str, Leaf] = SOURCE,
    target: Mapping[str, tuple[int, ...]] = TARGET,
    rules: tuple[Rule, ...] = RULES,
    **options: Any,
) -> str:
    table = Table("resnet", "timm", rules, TABLE.ignore, {}, IMAGENET, ())
    with pytest.raises(UserError) as caught:
        match(source, table, target, where="a.pth", **options)
    return str(caught.value)


def without(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


def test_every_array_is_converted_and_exported_back(random_state: Any) -> None:
    arrays = random_state({key: leaf.shape for key, leaf in SOURCE.items()})
    assignments = match(SOURCE, TABLE, TARGET, where="a.pth")
    converted = convert(arrays.__getitem__, assignments)
    assert {path: array.shape for path, array in converted.items()} == TARGET
    np.testing.assert_array_equal(
        converted["params/stage1_block1/kernel"], arrays["layer0.b.weight"].T
    )
    for array in converted.values():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert not any(np.shares_memory(array, other) for other in arrays.values())
    exported = export(converted, TABLE)
    assert sorted(exported) == sorted(without(SOURCE, "bn.counter"))
    for key, array in exported.items():
        np.testing.assert_array_equal(array, arrays[key])


def test_a_reinitialised_head_uses_no_array_of_the_source() -> None:
    wide = {**TARGET, "params/head/kernel": (5, 3), "params/head/bias": (3,)}
    assignments_of_trunk = match(SOURCE, TABLE, wide, reinit=("head/.*",), where="a.pth")
    assert [a.target for a in assignments_of_trunk] == [p for p in TARGET if "stage" in p]
    headless = without(SOURCE, "fc.weight", "fc.bias")
    assert match(headless, TABLE, wide, reinit=("head/.*",), where="a.pth") == assignments_of_trunk


def test_ignore_is_by_name() -> None:
    source = {**SOURCE, "aux.weight": Leaf((2, 2), "float32")}
    assert "'aux.weight' fits no rule" in error_message(source)
    assert len(match(source, TABLE, TARGET, ignore=(r"aux\..*",), where="a.pth")) == len(TARGET)
    # A full match: a part of the name is not enough.
    assert "'aux.weight' fits no rule" in error_message(source, ignore=("aux",))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"rules": (*RULES, RULES[2]), "reinit": ("head/bias",)},
            "'fc.bias' fits several rules: params/head/bias and params/head/bias",
        ),
        (
            {"source": {**SOURCE, "logits.bias": Leaf((7,), "float32")}},
            "'logits.bias' and 'fc.bias' would",
        ),
        ({"source": without(SOURCE, "fc.bias")}, "nothing in the file for params/head/bias (7,)"),
        ({"target": without(TARGET, "params/head/bias")}, "which the network does not have"),
        ({"source": {**SOURCE, "fc.bias": Leaf((8,), "float32")}}, "expected (7,)"),
        ({"source": {**SOURCE, "fc.weight": Leaf((7,), "float32")}}, "not valid for oi_to_io"),
        ({"source": {**SOURCE, "fc.bias": Leaf((7,), "int8")}}, "'fc.bias' is int8"),
        ({"reinit": ("haed/.*",)}, "reinit pattern 'haed/.*' fits no path"),
        ({"ignore": (r"aux\..*",)}, r"ignore pattern 'aux\\..*' fits no key"),
    ],
)
def test_each_problem_is_described(changes: dict[str, Any], expected: str) -> None:
    message = error_message(**changes)
    assert message.startswith("a.pth does not fit the network, read as resnet from timm")
    assert "(problems: 1)" in message
    assert expected in message


def test_all_problems_are_listed_in_one_error() -> None:
    source = {f"x{i}.weight": Leaf((1,), "float32") for i in range(15)}
    message = error_message(source)
    assert "(problems: 19)" in message
    assert message.count("fits no rule") == 12
    assert "... and 7 more" in message


def test_patterns_are_regular_expressions() -> None:
    assert "reinit pattern '*head' is not a regular expression" in error_message(reinit=("*head",))


def test_export_is_strict() -> None:
    with pytest.raises(UserError, match=r"params/jumper/kernel has no rule"):
        export({"params/jumper/kernel": np.zeros((2, 2), np.float32)}, TABLE)
    with pytest.raises(UserError, match=r"head/kernel has shape \(2,\), not valid for oi_to_io"):
        export({"params/head/kernel": np.zeros(2, np.float32)}, TABLE)


@given(s=st.integers(1, 30), b=st.integers(0, 25))
def test_templates_translate_both_ways(s: int, b: int) -> None:
    source, target = "layer{s-1}.{b:letter}.w", "stage{s}_block{b}/w"
    text = fill(source, {"s": s, "b": b})
    assert text == f"layer{s - 1}.{chr(97 + b)}.w"
    assert parse(source, text) == {"s": s, "b": b}
    assert translate(source, target, text) == f"stage{s}_block{b}/w"
    assert translate(target, source, f"stage{s}_block{b}/w") == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("layer{s}.w", "layer1xw"),  # a dot matches only a dot
        ("layer{s}.w", "layer1.w2"),
        ("layer{s}.w", "layer01.w"),
        ("layer{s+1}.w", "layer0.w"),
        ("{s}.{s}", "1.2"),
        ("block{b:letter}", "block1"),
    ],
)
def test_other_texts_do_not_match(template: str, text: str) -> None:
    assert parse(template, text) is None
