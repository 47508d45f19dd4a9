"""Config of launch.baseline: what is refused, default folders, what a config may differ in."""

import json
from typing import Any

import pytest

from ferjax.config.baseline_config import BaselineConfig, baseline_to_json, differences
from ferjax.errors import UserError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "--features is missing: lpq or phog"),
        ({"features": "lqp"}, "unknown --features 'lqp'. Did you mean 'lpq'"),
        ({"features": "lpq"}, "--dataset is missing"),
        ({"features": "lpq", "dataset": "sfew", "lpq_window": 6}, "odd"),
        ({"features": "lpq", "dataset": "sfew", "fold": 2}, "--fold=2 needs --folds"),
        ({"features": "phog", "dataset": "sfew", "kernel": "chi2"}, "--kernel"),
        ({"features": "phog", "dataset": "sfew", "phog_degrees": 90}, "--phog_degrees"),
        ({"features": "phog", "dataset": "sfew", "limit": 1}, "--limit=1"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words.replace("(", r"\(")):
        BaselineConfig(**given)


def test_default_folders_tell_settings_apart() -> None:
    plain = BaselineConfig("lpq", "fer2013", data_dir="/x", progress=False)
    assert plain.folder == "runs/lpq_svm-fer2013-s0"
    other = BaselineConfig("lpq", "fer2013", limit=500, kernel="linear", seed=3)
    assert other.folder == "runs/lpq_svm-fer2013-s3-kernel_linear-limit_500"
    assert BaselineConfig("lpq", "fer2013", workdir="here").folder == "here"


def test_a_config_differs_in_what_changes_results() -> None:
    config = BaselineConfig("phog", "ckplus", folds=10)
    old = json.loads(baseline_to_json(config))
    assert old["model"] == "phog_svm"
    assert not differences(old, BaselineConfig("phog", "ckplus", folds=10, progress=False))
    changed = BaselineConfig("phog", "ckplus", folds=10, phog_bins=9)
    assert differences(old, changed) == ["phog_bins: 8 → 9"]
