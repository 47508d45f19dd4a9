"""Which runs a config stands for."""

from typing import Any

import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.runs.finished_runs.seeds_and_folds import configs_of_series


def config(**given: Any) -> TrainConfig:
    return TrainConfig(model="cnn3", dataset="ckplus", workdir="runs/a", **given)


def test_a_single_run_is_no_series() -> None:
    assert not configs_of_series(config())[1]
    assert not configs_of_series(config(folds=5, fold=2))[1]


@pytest.mark.parametrize(
    ("given", "kind", "folders"),
    [
        ({"seeds": (3, 0)}, "seed", {3: "runs/a/seed_3", 0: "runs/a/seed_0"}),
        ({"folds": 3}, "fold", {k: f"runs/a/fold_0{k}" for k in (1, 2, 3)}),
    ],
)
def test_each_run_of_a_series_is_an_ordinary_one(
    given: dict[str, Any], kind: str, folders: dict[int, str]
) -> None:
    found, runs = configs_of_series(config(**given))
    assert found == kind
    assert {number: run.workdir for number, run in runs.items()} == folders
    assert not any(configs_of_series(run)[1] for run in runs.values())
    assert [getattr(run, kind) for run in runs.values()] == list(folders)


def test_with_both_each_seed_holds_the_folds() -> None:
    _, seeds = configs_of_series(config(seeds=(1, 2), folds=4))
    kind, folds = configs_of_series(seeds[2])
    assert kind == "fold"
    assert folds[4].workdir == "runs/a/seed_2/fold_04"
    assert (folds[4].seed, folds[4].fold) == (2, 4)
