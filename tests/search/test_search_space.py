"""Search space: strict parsing of --space, round trip, values of the fields, rounding."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.config.fields import check_field
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.search.search_space import (
    DEFAULT_SPACE,
    Choice,
    Range,
    format_space,
    middle_point,
    parse_space,
    searchable_fields,
    settings_from_point,
)

FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}


def ranges(low: float, high: float, whole: bool, log: bool | None = None) -> st.SearchStrategy:
    """Returns a strategy for ranges with two different ends between `low` and `high`."""
    ends = st.integers(int(low), int(high)) if whole else st.floats(low, high)
    logs = st.booleans() if log is None else st.just(log)
    pairs = st.lists(ends, min_size=2, max_size=2, unique=True).map(sorted)
    return st.builds(lambda pair, log: Range(*pair, log), pairs, logs)


def choices(*texts: str) -> st.SearchStrategy:
    """Returns a strategy for choices among texts."""
    some = st.lists(st.sampled_from(texts), min_size=2, unique=True)
    return some.map(lambda texts: Choice(tuple(texts)))


SPACES = st.fixed_dictionaries(
    {},
    optional={
        "learning_rate": ranges(1e-7, 10.0, whole=False),
        "label_smoothing": ranges(0.0, 1.0, whole=False, log=False),
        "dropout": choices("default", "0.25", "0.5", "1e-3"),
        "batch_size": ranges(1, 4096, whole=True),
        "epochs": choices("5", "5,10", "20"),
        "optimizer": choices("sgd", "adam", "adamw"),
        "balance": choices("true", "false"),
        "head_widths": choices("default", "512", "512,256"),
        "freeze": choices("none", "all_but_head,none", "(stem|stage[12]).*", r"(a|\(){1,2},none"),
    },
).filter(bool)


@given(SPACES, st.data())
def test_round_trip_and_values(space: dict[str, Range | Choice], data: st.DataObject) -> None:
    assert parse_space(format_space(space)) == space
    point = {
        name: data.draw(
            st.sampled_from(values.texts)
            if isinstance(values, Choice)
            else st.integers(int(values.low), int(values.high))
            if isinstance(values.low, int)
            else st.floats(values.low, values.high)
        )
        for name, values in space.items()
    }
    for sample in (point, middle_point(space)):
        settings = settings_from_point(space, sample)
        assert set(settings) == {name for name, drawn in sample.items() if drawn != "default"}
        for name, value in settings.items():
            check_field(FIELDS[name], value)
            values = space[name]
            if isinstance(values, Range):
                assert values.low <= value <= values.high
                assert type(value) is type(values.low)


def test_parsing() -> None:
    text = "learning_rate=log:1e-4:0.1,batch_size = log:8:64 ,  dropout=default|0.5, freeze=a|(b|c)"
    assert parse_space(text) == {
        "learning_rate": Range(1e-4, 0.1, log=True),
        "batch_size": Range(8, 64, log=True),
        "dropout": Choice(("default", "0.5")),
        "freeze": Choice(("a", "(b|c)")),
    }


def test_values_equal_those_of_the_flags() -> None:
    texts = "epochs=5|5,10, head_widths=512|512,256, balance=true|false, learning_rate=0.1|1e-3,1"
    space = parse_space(texts)
    last = {name: values.texts[-1] for name, values in space.items() if isinstance(values, Choice)}
    assert settings_from_point(space, last) == {
        "epochs": (5, 10),
        "head_widths": (512, 256),
        "balance": False,
        "learning_rate": (1e-3, 1.0),
    }
    assert settings_from_point(space, {"epochs": "5", "learning_rate": "0.1"}) == {
        "epochs": 5,
        "learning_rate": 0.1,
    }


def test_numbers_are_rounded_to_four_digits() -> None:
    space = parse_space("learning_rate=log:1e-4:1e-1, momentum=0.123456:0.9")
    point = {"learning_rate": 0.0012345678, "momentum": 0.1234561}
    assert settings_from_point(space, point) == {"learning_rate": 0.001235, "momentum": 0.1235}
    assert settings_from_point(space, {"momentum": 0.123456}) == {"momentum": 0.1235}
    assert settings_from_point(parse_space("momentum=0.12349:0.5"), {"momentum": 0.12349}) == {
        "momentum": 0.1235
    }
    assert settings_from_point(parse_space("momentum=0.12351:0.5"), {"momentum": 0.12352}) == {
        "momentum": 0.12351
    }


def test_middle() -> None:
    space = parse_space("learning_rate=log:1e-4:1e-2, batch_size=8:24, optimizer=adamw|sgd")
    assert middle_point(space) == pytest.approx(
        {"learning_rate": 1e-3, "batch_size": 16, "optimizer": "adamw"}
    )


def test_the_default_space_can_be_read() -> None:
    space = parse_space(DEFAULT_SPACE)
    assert set(space) <= set(searchable_fields())
    assert parse_space(format_space(space)) == space


REFUSED: dict[str, list[Any]] = {
    "": ["not of the form field=values", "learning_rate=log:"],
    "optimizer": ["'optimizer' is not of the form field=values"],
    "optimiser=sgd|adam": ["'optimiser'", "Did you mean 'optimizer'"],
    "dataset=a|b": ["dataset cannot vary", "one data set", "--dataset"],
    "recipe=a|b": ["recipe cannot vary", "of one model"],
    "seeds=1|2": ["seeds cannot vary", "a trial is one run"],
    "val_fraction=0.1:0.2": ["val_fraction cannot vary", "different images"],
    "progress=true|false": ["progress cannot vary", "does not change the results"],
    "momentum=0:0.9, momentum=0:0.5": ["momentum twice"],
    "learning_rate=0.1": ["low:high"],
    "learning_rate=1:2:3": ["low:high"],
    "learning_rate=0.1,0.2:1": ["low:high"],
    "learning_rate=0.2:0.1": ["0.2 is not below 0.1"],
    "learning_rate=0.1:0.1": ["not below"],
    "learning_rate=-1:1": ["--learning_rate=-1.0", "above 0"],
    "learning_rate=a:b": ["--learning_rate=a", "numbers"],
    "learning_rate=nan:1": ["finite"],
    "label_smoothing=log:0:0.2": ["logarithmic", "above 0"],
    "label_smoothing=0:2": ["--label_smoothing=2.0", "at most 1"],
    "batch_size=8:16.5": ["batch_size=16.5", "int expected"],
    "optimizer=sgd": ["choices are expected"],
    "optimizer=1:2": ["choices are expected"],
    "optimizer=sgd|adamm": ["'adamm'", "Did you mean 'adam'"],
    "optimizer=sgd||adam": ["empty choice"],
    "pooling=mean|": ["empty choice", "default"],
    "dropout=0.5|0.50": ["0.5 and 0.50", "the same value"],
    "balance=true|yes": ["balance=yes", "true or false"],
    "head_widths=512|x": ["--head_widths=x", "integers"],
}


@pytest.mark.parametrize("text", REFUSED)
def test_wrong_spaces_are_refused(text: str) -> None:
    with pytest.raises(UserError) as error:
        parse_space(text)
    assert not [word for word in REFUSED[text] if word not in str(error.value)], error.value


def test_every_field_is_searchable_or_has_a_reason() -> None:
    for name in FIELDS:
        if name not in searchable_fields():
            with pytest.raises(UserError, match=f"{name} cannot vary: .*Give it as a flag"):
                parse_space(f"{name}=a|b")
