"""Pairs of flags that do not fit, and pairs that are allowed and named to the user."""

from typing import Any

import pytest

from ferjax.config.field_combinations import doubled_corrections
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.recipes import resolve
from ferjax.recipes.papers import RECIPES


@pytest.mark.parametrize("weights", ["inverse", "effective"])
def test_imbalance_corrected_twice_is_said(weights: str) -> None:
    (sentence,) = doubled_corrections(TrainConfig(balance=True, class_weights=weights))
    assert f"--balance and --class_weights={weights} correct class imbalance twice" in sentence


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"balance": True},
        {"class_weights": "inverse"},
        {"balance": True, "loss": "focal"},
        {"label_smoothing": 0.1, "augment": "strong"},
        {"class_weights": "effective", "label_smoothing": 0.1},
    ],
)
def test_what_is_corrected_once_is_not_spoken_of(fields: dict) -> None:
    assert doubled_corrections(TrainConfig(**fields)) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"labels": "multi_target"},
            r"--labels=multi_target with --loss=cross_entropy.* Give --loss=multi_target",
        ),
        (
            {"labels": "multi_target", "loss": "focal"},
            r"--labels=multi_target with --loss=focal.* Give --loss=multi_target",
        ),
        (
            {"loss": "multi_target"},
            r"--labels=crossentropy with --loss=multi_target.* Give --labels=multi_target.*"
            r"\(--labels is set by the recipe best_fernet_s_ferplus\.\)",
        ),
    ],
)
def test_votes_and_a_loss_of_other_targets_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        resolve({"recipe": "best_fernet_s_ferplus", **given})


@pytest.mark.parametrize("labels", [None, "majority", "probability", "multi_target"])
def test_votes_of_zeros_and_ones_fit_multi_target(labels: str | None) -> None:
    assert TrainConfig(loss="multi_target", labels=labels).labels == labels


def test_no_recipe_is_refused() -> None:
    for name in RECIPES:
        assert resolve({"recipe": name}).recipe == name
