"""`TrainConfig`: JSON, bounds and choices, and what may change when a run is resumed."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.config import EvalConfig, TrainConfig
from ferjax.config_fields import field_type
from ferjax.config_json import config_from_json, config_to_json, make_config, resume_conflicts
from ferjax.errors import UserError

FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
FREE = {"cache_dir", "data_dir", "offline", "workdir", "save_minutes", "resume", "progress", "tta"}
# name → (values refused, a part of the message that says what was expected).
REFUSED: dict[str, tuple[list[Any], str]] = {
    "epochs": ([0, -3], "at least 1"),
    "batch_size": ([0, -8], "at least 1"),
    "learning_rate": ([0.0, -1e-3], "above 0"),
    "optimizer": (["adamm", "SGD", ""], "adam, adamw, sgd"),
    "momentum": ([-0.1], "at least 0"),
    "weight_decay": ([-1e-9], "at least 0"),
    "schedule": (["cosin"], "constant, cosine, one_cycle"),
    "warmup_epochs": ([-1.0], "at least 0"),
    "image_size": ([0], "at least 1"),
    "channels": ([0, 2, 4], "1, 3"),
    "normalization": (["imagenet"], "dataset, unit, weights"),
    "guide_input": (["own"], "shared, weights"),
    "folds": ([2, 0], "at least 3"),
    "fold": ([0], "at least 1"),
    "on_bad_image": (["drop"], "error, skip"),
    "augment": (["flips"], "flip, none, paper, standard, strong"),
    "loss": (["hinge"], "cross_entropy, focal, multi_target"),
    "precision": (["f16"], "bf16, f32, f64"),
    "label_smoothing": ([1.01], "at most 1"),
    "class_weights": (["balanced"], "effective, inverse, none"),
    "tta": (["mirror"], "flip, none, ten_crop"),
    "dropout": ([1.5], "at most 1"),
    "num_classes": ([1], "at least 2"),
    "limit": ([0], "at least 1"),
    "val_fraction": ([0.0], "above 0"),
    "split_seed": ([-1], "at least 0"),
    "seed": ([-1, 2**32], "at "),
    "eval_every": ([0], "at least 1"),
    "save_minutes": ([0.0], "above 0"),
}


def numbers(field: dataclasses.Field) -> st.SearchStrategy[Any]:
    """Returns values of a numeric field that its bounds allow."""
    rule = field.metadata
    low = rule["low"] if rule["low"] is not None else rule["above"]
    if field_type(field)[0] is int:
        return st.integers(low, min(rule["high"] or 10**6, 10**6))
    shut = rule["low"] is None
    return st.floats(low, rule["high"] or 1e6, exclude_min=shut)


def values(field: dataclasses.Field) -> st.SearchStrategy[Any]:
    """Returns values that a field allows, None among them where it does."""
    kind, optional = field_type(field)
    if field.metadata["choices"]:
        strategy = st.sampled_from(field.metadata["choices"])
    elif kind in (int, float):
        strategy = numbers(field)
    elif kind is tuple:
        strategy = st.lists(st.integers(0, 99), unique=True, max_size=3).map(tuple)
    else:
        strategy = st.booleans() if kind is bool else st.text(max_size=8)
    return st.none() | strategy if optional else strategy


# Four rules bind fields together; the strategies keep them.
configs = st.fixed_dictionaries({name: values(field) for name, field in FIELDS.items()}).map(
    lambda v: TrainConfig(**{**v, "warmup_epochs": 0.0, "fold": None, "loss": "focal"})
)


@given(configs)
def test_json_round_trip(config: TrainConfig) -> None:
    text = config_to_json(config)
    assert set(json.loads(text)) == set(FIELDS)
    assert config_from_json(text, "config.json") == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"epochs": 3', "not valid JSON"),
        ('{"epoch": 3}', "'epoch' is not known"),
        ('{"epochs": 0}', "--epochs=0"),
        ('{"epochs": "3"}', "int expected, found str"),
        ("[1, 2]", "object"),
        ("3", "object"),
    ],
)
def test_broken_json_names_the_file(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        config_from_json(text, "runs/a/config.json")


def test_every_field_has_help_and_a_type_that_flags_know() -> None:
    for config in (TrainConfig, EvalConfig):
        for field in dataclasses.fields(config):
            assert field.metadata["help"].endswith("."), field.name
            assert field_type(field)[0] in (bool, int, float, str, tuple), field.name


def test_every_bounded_field_is_in_the_table() -> None:
    keys = ("choices", "low", "high", "above")
    bounded = {n for n, f in FIELDS.items() if any(f.metadata[key] is not None for key in keys)}
    assert bounded == set(REFUSED)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [(name, value, words) for name, (found, words) in REFUSED.items() for value in found],
)
def test_out_of_range_names_the_flag(name: str, value: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"--{name}") as caught:
        make_config({name: value})
    assert words in str(caught.value)
    assert str(value) in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [n for n, f in FIELDS.items() if field_type(f)[0] is float])
def test_numbers_must_be_finite(name: str, value: float) -> None:
    with pytest.raises(UserError, match=f"--{name}={value}: a finite number expected"):
        make_config({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 2.0), ("epochs", True), ("resume", 1), ("optimizer", None), ("dropout", "0.5")],
)
def test_wrong_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"--{name}={value}: .* expected, found"):
        make_config({name: value})


def test_unknown_choice_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'adamw'"):
        TrainConfig(optimizer="adamww")
    with pytest.raises(UserError, match="Did you mean 'selected'"):
        EvalConfig(checkpoint="select")


def test_whole_numbers_are_floats_too() -> None:
    assert TrainConfig(learning_rate=1).learning_rate == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (dict(schedule="one_cycle", warmup_epochs=1.0), "one_cycle has a warm-up of its own"),
        (dict(warmup_epochs=3.0, epochs=2), "longer than --epochs=2"),
        (dict(seeds=(1, 0, 1)), "names a seed twice"),
        (dict(seeds=(0, -1)), "names -1"),
        (dict(seeds=(0, 2**32)), "names 4294967296"),
        (dict(seeds=(0.5,)), "names 0.5"),
    ],
)
def test_fields_that_do_not_go_together(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TrainConfig(**fields)


def test_lists_become_tuples() -> None:
    assert make_config({"seeds": [0, 1]}).seeds == (0, 1)


def test_only_free_fields_may_differ_on_resume() -> None:
    old = TrainConfig(model="cnn3", dataset="synthetic", schedule="cosine", folds=4)
    other: dict[str, Any] = dict(model="cnn4", dataset="rafdb", recipe="default", seeds=(3,))
    other |= dict.fromkeys(("cache_dir", "data_dir", "workdir"), "elsewhere")
    other |= dict(labels="majority", fold=2)
    other |= dict(pretrained="imagenet", guide="vgg16", pooling="mean", head_widths=(8,))
    other |= dict(jumper="double", channels=3, image_size=96, dropout=0.1, num_classes=8, limit=7)
    for name, field in FIELDS.items():
        value = getattr(old, name)
        if name in other:
            value = other[name]
        elif field.metadata["choices"]:
            value = next(choice for choice in field.metadata["choices"] if choice != value)
        elif isinstance(value, bool):
            value = not value
        else:
            value = value / 2 + 0.02 if isinstance(value, float) else value + 1
        new = dataclasses.replace(old, **{name: value})
        conflicts = resume_conflicts(old, new)
        expected = [] if name in FREE else [f"{name}: {getattr(old, name)} → {value}"]
        assert conflicts == expected, name


def test_epochs_may_grow_under_a_constant_schedule_alone() -> None:
    short, long = TrainConfig(epochs=2), TrainConfig(epochs=5)
    assert resume_conflicts(short, long) == []
    assert resume_conflicts(long, short) == ["epochs: 5 → 2"]
    cosine = [dataclasses.replace(config, schedule="cosine") for config in (short, long)]
    assert resume_conflicts(*cosine) == ["epochs: 2 → 5"]


@pytest.mark.parametrize("given", [{"fold": 1}, {"fold": 6, "folds": 5}])
def test_a_fold_is_one_of_the_folds(given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="expected 1 to --folds"):
        TrainConfig(**given)
