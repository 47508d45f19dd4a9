"""Default run directories: the plain name, what an ablation adds to it, and its length."""

from typing import Any

import pytest

from ferjax.recipes import resolve

PLAIN = "runs/cnn3-fer2013-yang_cnn3_fer2013-s0"


def workdir(**given: Any) -> str:
    return resolve({"model": "cnn3", "dataset": "fer2013", **given}).workdir or ""


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ({}, ""),
        ({"learning_rate": 2e-3, "augment": "flip"}, ""),  # as the recipe says
        ({"data_dir": "x", "tta": "flip", "resume": True, "progress": False}, ""),
        ({"learning_rate": 0.01, "augment": "none"}, "-lr0.01-noaugment"),
        ({"augment": "strong", "optimizer": "sgd"}, "-optimizer_sgd-augment_strong"),
        ({"balance": True, "dropout": 0.0}, "-dropout0-balance"),
        ({"folds": 5}, "-folds5"),
        ({"folds": 5, "fold": 2}, "-folds5-fold2"),
        ({"smoke": True, "limit": 16}, "-smoke-limit16"),
        ({"epochs": (2, 3), "schedule": "constant"}, "-epochs2+3-schedule_constant"),
    ],
)
def test_the_name_says_what_changes_the_recipe(given: dict[str, Any], added: str) -> None:
    assert workdir(**given) == PLAIN + added


def test_values_that_are_no_file_names_are_told_apart() -> None:
    names = {workdir(freeze=pattern) for pattern in ("conv1/.*", "conv2/.*", "conv[12]/.*")}
    names |= {workdir(pretrained=path) for path in ("runs/a", "runs/b")}
    assert len(names) == 5
    assert all(name.count("/") == 1 and len(name) < 70 for name in names)


def test_long_names_end_in_a_digest_of_all_changes() -> None:
    given: dict[str, Any] = dict(optimizer="sgd", momentum=0.8, weight_decay=0.3, balance=True)
    given |= dict(class_weights="inverse", label_smoothing=0.25, dropout=0.125, batch_size=96)
    long = workdir(**given)
    assert long == workdir(**given)
    assert len(long) <= len(PLAIN) + 81
    assert long.startswith(f"{PLAIN}-bs96-optimizer_sgd-")
    assert workdir(**{**given, "dropout": 0.25}) != long
