"""Pairs of flags that are allowed, and of which the user is told."""

import pytest

from ferjax.config.field_combinations import doubled_corrections
from ferjax.config.train_config import TrainConfig


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
