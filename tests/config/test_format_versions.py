"""Format versions of run directories: upgrade from format 1, refusal of later formats."""

import json
from pathlib import Path

import pytest

from ferjax.config.format_versions import FORMAT, upgrade_config, upgrade_meta
from ferjax.config.json_file import config_from_json, config_to_json, resume_conflicts
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError

# The meta of a checkpoint of November 2026; only its numbers are changed.
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


def test_a_new_config_names_its_format() -> None:
    config = TrainConfig(model="cnn3", dataset="synthetic", seeds=(1, 2))
    text = config_to_json(config)
    assert json.loads(text)["format"] == FORMAT
    assert config_from_json(text, "config.json") == config


def test_a_config_of_format_1_resumes_with_the_same_flags() -> None:
    old = json.dumps({"model": "cnn3", "dataset": "synthetic", "normalization": "unit"})
    config = config_from_json(old, "config.json")
    assert resume_conflicts(config, TrainConfig(model="cnn3", dataset="synthetic")) == []
    # With pretrained weights, unit was an explicit choice, as it is now.
    chosen = {"normalization": "unit", "pretrained": "imagenet"}
    assert upgrade_config(chosen, "config.json") == chosen


def test_meta_of_format_1_is_upgraded_to_a_run_of_one_phase() -> None:
    meta = upgrade_meta(META_1, "checkpoints/6")
    assert {name: meta[name] for name in META_1} == META_1
    assert meta["starts"] == [0]
    assert (meta["retries"], meta["notes"], meta["averaged"], meta["start"]) == (0, [], [], None)
    present = {"format": FORMAT, "starts": [0, 5]}
    assert upgrade_meta(present, "checkpoints/6") == {"starts": [0, 5]}


@pytest.mark.parametrize("upgrade", [upgrade_config, upgrade_meta])
@pytest.mark.parametrize("version", [FORMAT + 1, "new"])
def test_a_later_format_is_an_error(upgrade, version, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"config\.json: format {version} is of a later ferjax"):
        upgrade({"format": version}, "config.json")
