"""`TrainConfig`: JSON, bounds and choices, phases, and fields that may change on resume."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.config.fields import field_type, is_per_phase, parse_list
from ferjax.config.format_versions import KEY
from ferjax.config.json_file import config_from_json, config_to_json, make_config, resume_conflicts
from ferjax.config.phases import Phase, phases_of, total_epochs
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError

FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
FREE = {
    "cache_dir",
    "data_dir",
    "feature_gigabytes",
    "images_on_device",
    "offline",
    "on_nan",
    "on_save_error",
    "overwrite",
    "profile",
    "progress",
    "resume",
    "shard_params",
    "save_minutes",
    "steps_per_call",
    "tensorboard",
    "tta",
    "workdir",
}
PER_PHASE = {"epochs", "learning_rate", "schedule", "freeze"}
SCHEDULES = "constant, cosine, cosine_restarts, exponential, inverse_time, one_cycle, plateau, step"
# name → (invalid values, a part of the message that names the expected values).
REFUSED: dict[str, tuple[list[Any], str]] = {
    "epochs": ([0, -3, (3, 0)], "at least 1"),
    "batch_size": ([0, -8], "at least 1"),
    "learning_rate": ([0.0, -1e-3, (1e-3, 0.0)], "above 0"),
    "optimizer": (["adamm", "SGD", ""], "adam, adamw, lamb, muon, nesterov, radam, sam, sgd"),
    "momentum": ([-0.1, 1.1], "at "),
    "weight_decay": ([-1e-9], "at least 0"),
    "schedule": (["cosin", ("constant", "cosin")], SCHEDULES),
    "decay_rate": ([0.0, -0.1], "above 0"),
    "decay_epochs": ([0.0], "above 0"),
    "warmup_epochs": ([-1.0], "at least 0"),
    "clip_norm": ([0.0, -1.0], "above 0"),
    "accumulate": ([0], "at least 1"),
    "steps_per_call": ([0], "at least 1"),
    "ema": ([0.0, 1.01], "expected "),
    "patience": ([0, -1], "at least 1"),
    "backbone_factor": ([0.0, -1.0], "above 0"),
    "layer_decay": ([0.0], "above 0"),
    "feature_cache": (["yes"], "auto, off, on"),
    "feature_gigabytes": ([0.0], "above 0"),
    "image_size": ([0], "at least 1"),
    "channels": ([0, 2, 4], "1, 3"),
    "normalization": (["imagenet"], "dataset, unit, weights"),
    "guide_input": (["own"], "shared, weights"),
    "folds": ([1, 0], "at least 2"),
    "fold": ([0], "at least 1"),
    "on_bad_image": (["drop"], "error, skip"),
    "augment": (["flips"], "fer, flip, none, paper, standard, strong"),
    "views": ([0], "at least 1"),
    "teacher_weight": ([0.0, 1.1], "expected "),
    "loss": (["hinge"], "cross_entropy, focal, multi_target"),
    "precision": (["f16"], "bf16, f32, f64"),
    "label_smoothing": ([1.01], "at most 1"),
    "class_weights": (["balanced"], "effective, inverse, none"),
    "tta": (["mirror"], "flip, none, ten_crop"),
    "dropout": ([1.5], "at most 1"),
    "stochastic_depth": ([-0.1, 1.5], "at "),
    "num_classes": ([1], "at least 2"),
    "limit": ([0], "at least 1"),
    "val_fraction": ([0.0], "above 0"),
    "split_seed": ([-1], "at least 0"),
    "seed": ([-1, 2**32], "at "),
    "images_on_device": (["yes"], "auto, off, on"),
    "on_nan": (["ignore"], "rollback, stop"),
    "on_save_error": (["ignore"], "continue, stop"),
    "eval_every": ([0], "at least 1"),
    "save_minutes": ([0.0], "above 0"),
}


def numbers(field: dataclasses.Field) -> st.SearchStrategy[Any]:
    """Returns a strategy for the values of a numeric field within its bounds."""
    rule = field.metadata
    low = rule["low"] if rule["low"] is not None else rule["above"]
    if field_type(field)[0] is int:
        return st.integers(low, min(rule["high"] or 10**6, 10**6))
    return st.floats(low, rule["high"] or 1e6, exclude_min=rule["low"] is None)


def values(field: dataclasses.Field) -> st.SearchStrategy[Any]:
    """Returns a strategy for the values that a field allows, with None if it is allowed."""
    kind, optional = field_type(field)
    if field.metadata["choices"]:
        strategy = st.sampled_from(field.metadata["choices"])
    elif kind in (int, float):
        strategy = numbers(field)
    elif kind is tuple:
        strategy = st.lists(st.integers(0, 99), unique=True, max_size=3).map(tuple)
    elif field.name == "freeze":
        strategy = st.sampled_from(["none", "all_but_head", r"stage(1|2)_.*", "a{1,2}"])
    else:
        strategy = st.booleans() if kind is bool else st.text(max_size=8)
    return st.none() | strategy if optional else strategy


def per_phase_values(count: int) -> st.SearchStrategy[dict[str, Any]]:
    """Returns values of the per-phase fields: one value for all phases, or `count` values."""
    one = {name: values(FIELDS[name]) for name in PER_PHASE}
    many = {n: s | st.lists(s, min_size=count, max_size=count).map(tuple) for n, s in one.items()}
    return st.fixed_dictionaries(many)


# Fields that must fit each other get these values.
FIXED: dict[str, Any] = dict(warmup_epochs=0.0, fold=None, loss="focal", accumulate=1)
FIXED |= dict(decay_rate=None, decay_epochs=None, views=1, teacher=("runs/a",))
FIXED |= dict(protocol=None)  # with folds it is refused
configs = st.builds(
    lambda plain, phases: TrainConfig(**{**plain, **phases, **FIXED}),
    st.fixed_dictionaries({n: values(f) for n, f in FIELDS.items() if n not in PER_PHASE}),
    st.integers(1, 4).flatmap(per_phase_values),
)


@given(configs)
def test_json_round_trip(config: TrainConfig) -> None:
    text = config_to_json(config)
    assert set(json.loads(text)) == {KEY, *FIELDS}
    assert config_from_json(text, "config.json") == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"epochs": 3', "not valid JSON"),
        ('{"epoch": 3}', "'epoch' is unknown"),
        ('{"epochs": 0}', "--epochs=0"),
        ('{"epochs": "3"}', "int expected, found str"),
        ('{"epochs": [3, "3"]}', "int expected, found str"),
        ('{"freeze": []}', "--freeze: at least one value is expected"),
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
    [(name, value, words) for name, (invalid, words) in REFUSED.items() for value in invalid],
)
def test_out_of_range_names_the_flag(name: str, value: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"--{name}") as caught:
        make_config({name: value})
    assert words in str(caught.value)
    # The message names the wrong value of a list, which is the last one here.
    assert str(value[-1] if isinstance(value, tuple) else value) in str(caught.value)


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
        (dict(seeds=(1, 0, 1)), "contains a seed twice"),
        (dict(seeds=(0, -1)), "contains -1"),
        (dict(seeds=(0, 2**32)), "contains 4294967296"),
        (dict(seeds=(0.5,)), "contains 0.5"),
        (dict(schedule=("constant", "one_cycle"), warmup_epochs=1.0), "a warm-up of its own"),
        (dict(warmup_epochs=3.0, epochs=(5, 2)), "longer than --epochs=2"),
        (dict(decay_rate=0.5), r"--decay_rate=0.5: --schedule=constant does not use it \(step, "),
        (
            dict(decay_epochs=2.0, schedule=("cosine", "inverse_time")),
            r"--decay_epochs=2.0: --schedule=cosine,inverse_time does not use it \(step, "
            r"exponential, pl",
        ),
        (dict(freeze="stem_(.*"), r"--freeze=stem_\(\.\*: not a regular expression"),
        (dict(freeze=("none", "[a")), r"--freeze=\[a: not a regular expression"),
        (dict(accumulate=3, batch_size=64), "Nearest batch sizes that work: 63 or 66"),
        (dict(accumulate=8, batch_size=4), "Nearest batch sizes that work: 8"),
    ],
)
def test_fields_that_do_not_fit_each_other(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TrainConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (dict(epochs=(2, 3), freeze=("none",) * 3), "--epochs=2,3 has 2 values and --freeze has 3"),
        (
            dict(learning_rate=(1e-3, 1e-4, 1e-5), schedule=("cosine", "constant")),
            "--schedule=cosine,constant has 2 values and --learning_rate has 3",
        ),
    ],
)
def test_lists_of_different_lengths_are_refused(fields: dict[str, Any], words: str) -> None:
    expected = f"{words}: give one value for all phases, or 3 values, one for each phase"
    with pytest.raises(UserError, match=expected):
        TrainConfig(**fields)


def test_one_value_applies_to_every_phase() -> None:
    assert phases_of(TrainConfig()) == (Phase(20, 1e-3, "constant", "none"),)
    config = TrainConfig(epochs=(2, 3), learning_rate=(1e-2, 1e-3), freeze=("all_but_head", "none"))
    assert phases_of(config) == (
        Phase(2, 1e-2, "constant", "all_but_head"),
        Phase(3, 1e-3, "constant", "none"),
    )
    assert total_epochs(config) == 5
    assert total_epochs(TrainConfig(epochs=4, learning_rate=(0.1, 0.2, 0.3))) == 12


def test_a_decay_may_apply_to_one_phase_only() -> None:
    config = TrainConfig(schedule=("step", "constant"), decay_rate=0.5, decay_epochs=3.0)
    assert (config.decay_rate, config.decay_epochs) == (0.5, 3.0)


def test_per_phase_fields_are_recognised_by_their_type() -> None:
    assert {name for name, field in FIELDS.items() if is_per_phase(field)} == PER_PHASE


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "5", 5),
        ("epochs", "5,10", (5, 10)),
        ("learning_rate", "1e-3,1e-5", (1e-3, 1e-5)),
        ("schedule", "cosine,constant", ("cosine", "constant")),
        ("freeze", "a{1,2}/.*", "a{1,2}/.*"),
        ("freeze", r"(a|b[,x])_\(,c,none", (r"(a|b[,x])_\(", "c", "none")),
        ("seeds", "3", (3,)),
        ("head_widths", "", ()),
    ],
)
def test_comma_lists(name: str, text: str, value: Any) -> None:
    assert parse_list(FIELDS[name], text) == value


@pytest.mark.parametrize(
    ("name", "text", "kind"), [("epochs", "5,x", "integers"), ("learning_rate", "1,", "numbers")]
)
def test_comma_lists_of_the_wrong_type_are_refused(name: str, text: str, kind: str) -> None:
    with pytest.raises(UserError, match=f"--{name}={text}: a comma list of {kind} is expected"):
        parse_list(FIELDS[name], text)


def test_lists_become_tuples() -> None:
    assert make_config({"seeds": [0, 1]}).seeds == (0, 1)
    assert make_config({"epochs": [1, 2], "freeze": ["none", "x"]}).freeze == ("none", "x")


def test_only_free_fields_may_differ_on_resume() -> None:
    old = TrainConfig(
        model="cnn3",
        dataset="synthetic",
        schedule="step",
        folds=4,
        augment="flip",
        teacher=("runs/b",),
    )
    other: dict[str, Any] = dict(model="cnn4", dataset="rafdb", recipe="default", seeds=(3,))
    other |= dict.fromkeys(("cache_dir", "data_dir", "workdir"), "elsewhere")
    other |= dict(labels="majority", angles="all", fold=2)
    other |= dict(pretrained="imagenet", guide="vgg16", pooling="mean", head_widths=(8,))
    other |= dict(jumper="double", channels=3, image_size=96, dropout=0.1, num_classes=8, limit=7)
    other |= dict(accumulate=2, decay_rate=0.5, decay_epochs=2.0, clip_norm=1.0, ema=0.9)
    other |= dict(
        teacher=("runs/a",), stem="small", patience=3, freeze="all_but_head", stochastic_depth=0.2
    )
    for name, field in FIELDS.items():
        value = getattr(old, name)
        if name == "protocol":  # not with folds; tests/runs/test_protocol_runs.py has it
            continue
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


def test_epochs_may_grow_only_with_a_constant_schedule() -> None:
    short, long = TrainConfig(epochs=2), TrainConfig(epochs=5)
    assert resume_conflicts(short, long) == []
    assert resume_conflicts(long, short) == ["epochs: 5 → 2"]
    cosine = [dataclasses.replace(config, schedule="cosine") for config in (short, long)]
    assert resume_conflicts(*cosine) == ["epochs: 2 → 5"]


def test_the_last_phase_may_grow_only_with_a_constant_schedule() -> None:
    def config(*epochs: int, schedule: Any = "constant") -> TrainConfig:
        rates = tuple(0.1**k for k in range(len(epochs)))
        return TrainConfig(epochs=epochs, learning_rate=rates, schedule=schedule)

    assert resume_conflicts(config(2, 3), config(2, 5)) == []
    assert resume_conflicts(config(2, 3), config(4, 3)) == ["epochs: (2, 3) → (4, 3)"]
    assert resume_conflicts(config(2, 5), config(2, 3)) == ["epochs: (2, 5) → (2, 3)"]
    mixed = ("cosine", "constant")
    assert resume_conflicts(config(2, 3, schedule=mixed), config(2, 5, schedule=mixed)) == []
    mixed = ("constant", "cosine")
    conflicts = resume_conflicts(config(2, 3, schedule=mixed), config(2, 5, schedule=mixed))
    assert conflicts == ["epochs: (2, 3) → (2, 5)"]
    # An additional phase is not allowed.
    assert resume_conflicts(TrainConfig(epochs=2), TrainConfig(epochs=(2, 2)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fold": 1}, "--fold=1 needs --folds"),
        ({"fold": 6, "folds": 5}, "--fold=6 of --folds=5: expected 1 to --folds"),
    ],
)
def test_a_fold_is_one_of_the_folds(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TrainConfig(**given)
