"""The limits on a card follow from the data and the length of the training."""

import json
from pathlib import Path
from typing import Any

import pytest

from ferjax.data.dataset_table import DATASETS
from ferjax.export.card_limits import _ORIGINS, limited_training, limits_of
from ferjax.recipes import resolve

SHIPPED = Path(__file__).parents[2] / "ferjax" / "weights"


def test_every_data_set_but_ones_own_has_an_origin() -> None:
    assert set(_ORIGINS) | {"folder"} == set(DATASETS)


@pytest.mark.parametrize("name", ["ferplus", "fer2013"])
def test_the_shipped_cards_have_the_limits_of_their_data(name: str) -> None:
    card = json.loads((SHIPPED / f"fernet-{name}.json").read_text("utf-8"))
    assert card["limits"] == limits_of(resolve({"model": "fernet_s", "dataset": name}))


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("synthetic", "drawn by a program"),
        ("jaffe", "posed in a laboratory"),
        ("folder", "does not know"),
    ],
)
def test_only_faces_of_the_web_are_called_so(dataset: str, words: str) -> None:
    last = limits_of(resolve({"model": "cnn4", "dataset": dataset}))[-1]
    assert words in last
    assert "web" not in last


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"smoke": True}, "on 28 images by --smoke, which only checks"),
        ({"limit": 40}, "on 28 images by --limit=40, a part"),
    ],
)
def test_a_run_of_few_images_says_so_first(given: dict[str, Any], words: str) -> None:
    own = resolve({"model": "cnn4", "dataset": "synthetic", **given})
    assert words in limited_training(own, 28)
    assert "at most" in limits_of(own)[0]
    assert limited_training(resolve({"model": "cnn4", "dataset": "synthetic"})) == ""
