"""Weights files of recognisers: what is stored, what is verified, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

import ferjax
from ferjax.errors import UserError
from ferjax.weights.shipped import SHIPPED, find_card
from ferjax.weights.weights_file import (
    card_text,
    decode,
    encode,
    in_stored_precision,
    paths_of,
    read_weights,
)

VARIABLES = {
    "params/conv/kernel": np.linspace(-2, 2, 18, dtype=np.float32).reshape(3, 3, 1, 2),
    "params/bn/scale": np.float32([1.0001, 3.3]),
    "batch_stats/bn/var": np.float32([1e-7, 70000.0]),
}
CARD: dict[str, Any] = {
    "model": "cnn3",
    "fields": {},
    "classes": ["anger", "neutral"],
    "spec": {},
    "config": {},
    "step": 1,
    "epoch": 1,
    "start": {},
    "best": {},
    "training": {},
    "prediction_sets": {},
}


def write(folder: Path, **changes: Any) -> Path:
    """Writes a weights file with its card; returns the card's path."""
    data = encode(VARIABLES)
    weights, card = paths_of(folder, "mine")
    weights.write_bytes(data)
    values = {**json.loads(card_text(CARD, data)), **changes}
    card.write_text(json.dumps({key: v for key, v in values.items() if v is not None}))
    return card


def test_kernels_lose_half_their_bits_and_nothing_else_does(tmp_path: Path) -> None:
    found = read_weights(write(tmp_path)).variables
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    kernel = found.pop("params/conv/kernel")
    np.testing.assert_array_equal(kernel, VARIABLES["params/conv/kernel"].astype(np.float16))
    # Half precision holds neither a variance of 1e-7 exactly nor one of 70,000 at all.
    for path, array in found.items():
        np.testing.assert_array_equal(array, VARIABLES[path])
    assert decode(encode(found)).keys() == found.keys()


def test_a_file_is_found_by_card_weights_or_folder(tmp_path: Path) -> None:
    card = write(tmp_path)
    for source in (card, card.with_suffix(".safetensors"), tmp_path, str(tmp_path)):
        assert find_card(source) == card
    assert find_card(tmp_path / "other.json") is None
    assert find_card("runs/mine") is None
    # The two files of converted weights are no recogniser.
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "model.safetensors").write_text("")
    assert find_card(tmp_path) == card
    assert find_card(tmp_path / "model.json") is None


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "is damaged, or is not the file of mine"),
        (lambda p: p.write_bytes(b"\0" + p.read_bytes()[1:]), "is damaged"),
        (
            lambda p: p.unlink(),
            "is not beside .* Export with --format=safetensors",
        ),
    ],
)
def test_damaged_weights_are_refused(damage: Any, words: str, tmp_path: Path) -> None:
    card = write(tmp_path)
    damage(card.with_suffix(".safetensors"))
    with pytest.raises(UserError, match=words):
        read_weights(card)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, rf"version 2 .* this ferjax {ferjax.__version__} reads version 1"),
        ({"format": "ferjax-weights"}, "is no model card"),
        ({"classes": None, "spec": None}, "classes, spec missing"),
    ],
)
def test_other_cards_are_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        read_weights(write(tmp_path, **changes))


def test_nan_is_no_weight(tmp_path: Path) -> None:
    card = write(tmp_path)
    data = save({**in_stored_precision(VARIABLES), "params/bn/scale": np.float32([1, np.nan])})
    card.with_suffix(".safetensors").write_bytes(data)
    card.write_text(card_text(CARD, data))
    with pytest.raises(UserError, match=r"1 of the 2 values of params/bn/scale are NaN"):
        read_weights(card)


@pytest.mark.parametrize("value", [np.nan, 7e4])
def test_what_half_precision_cannot_hold_is_not_written(value: float) -> None:
    kernel = np.full((2, 2), value, np.float32)
    with pytest.raises(UserError, match=r"4 of the 4 values of params/head/kernel are NaN or inf"):
        encode({**VARIABLES, "params/head/kernel": kernel})


def test_a_card_without_json_is_refused(tmp_path: Path) -> None:
    card = write(tmp_path)
    card.write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_weights(card)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_is_whole(name: str) -> None:
    card = find_card(name)
    assert card is not None
    file = read_weights(card)
    assert file.card["name"] == name
    size = sum(path.stat().st_size for path in card.parent.glob("*.safetensors"))
    assert size <= 4_000_000


def test_a_card_holds_no_nan() -> None:
    """It is no JSON: a browser cannot read it."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        card_text({**CARD, "best": {"accuracy": float("nan")}}, b"")
