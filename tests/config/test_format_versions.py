"""Run directories of every format: what was not written then, and what is of a later ferjax."""

import json
from pathlib import Path

import pytest

from ferjax.config.format_versions import FORMAT, upgraded_config, upgraded_meta
from ferjax.config.json_file import config_from_json, config_to_json, resume_conflicts
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError

# What a checkpoint of November 2026 held, word for word but for the numbers.
META_1 = {
    "best": {"accuracy": 0.175, "epoch": 1, "step": 3},
    "classes": ["anger", "fear"],
    "epoch": 2,
    "ferjax": "0.1.0",
    "fields": {},
    "model": "cnn3",
    "seconds": 3.5,
    "spec": {"size": 32},
    "sums": [0.0, 0.0, 0, 0, 2147483647],
}


def test_a_config_of_today_names_its_format() -> None:
    config = TrainConfig(model="cnn3", dataset="synthetic", seeds=(1, 2))
    text = config_to_json(config)
    assert json.loads(text)["format"] == FORMAT
    assert config_from_json(text, "config.json") == config


def test_a_config_of_format_1_resumes_under_the_same_flags() -> None:
    old = json.dumps({"model": "cnn3", "dataset": "synthetic", "normalization": "unit"})
    found = config_from_json(old, "config.json")
    assert resume_conflicts(found, TrainConfig(model="cnn3", dataset="synthetic")) == []
    # With weights, unit was a choice then as now.
    chosen = {"normalization": "unit", "pretrained": "imagenet"}
    assert upgraded_config(chosen, "config.json") == chosen


def test_meta_of_format_1_is_that_of_a_run_of_one_phase() -> None:
    meta = upgraded_meta(META_1, "checkpoints/6")
    assert {name: meta[name] for name in META_1} == META_1
    assert meta["starts"] == [0]
    assert (meta["retries"], meta["notes"], meta["averaged"], meta["start"]) == (0, [], [], None)
    today = {"format": FORMAT, "starts": [0, 5]}
    assert upgraded_meta(today, "checkpoints/6") == {"starts": [0, 5]}


@pytest.mark.parametrize("upgrade", [upgraded_config, upgraded_meta])
@pytest.mark.parametrize("found", [FORMAT + 1, "new"])
def test_a_later_format_is_refused_by_name(upgrade, found, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"config\.json: format {found} is of a later ferjax"):
        upgrade({"format": found}, "config.json")
