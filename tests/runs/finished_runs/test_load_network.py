"""Weights files whose cards somebody has changed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ferjax.errors import UserError
from ferjax.runs.finished_runs.load_network import load_network
from ferjax.weights.shipped import DEFAULT, find_card


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """Returns the card of a copy of shipped weights."""
    shipped = find_card(DEFAULT)
    assert shipped is not None
    for path in (shipped, shipped.with_suffix(".safetensors")):
        shutil.copy(path, tmp_path / f"mine{path.suffix}")
    return tmp_path / "mine.json"


def test_a_copy_of_the_card_is_read(card: Path) -> None:
    assert load_network(card).classes == load_network(DEFAULT).classes


@pytest.mark.parametrize(
    "change",
    [
        {"step": "x"},
        {"training": "long"},
        {"best": {}},
        {"best": {"accuracy": "high"}},
        {"start": "imagenet"},
        {"prediction_sets": {}},
        {"prediction_sets": {"n": 1, "ranks": [1], "scores": ["low"]}},
    ],
)
def test_every_value_that_is_used_later_is_read(change: dict[str, Any], card: Path) -> None:
    card.write_text(json.dumps({**json.loads(card.read_text("utf-8")), **change}))
    with pytest.raises(UserError, match=r"mine\.json: a value is missing or does not fit"):
        load_network(card)
