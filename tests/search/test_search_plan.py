"""Plan of a search: accepted settings, varied fields, and errors before anything is written."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from absl import flags

import launch.train  # noqa: F401 (defines the flags)
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.recipes import resolve
from launch.command.flags import given_flags

pytest.importorskip("optuna")
Search = Callable[..., dict[str, Any]]
Formula = Callable[[TrainConfig, int], float]
RATE = "learning_rate=log:1e-5:1.0"
# Without a model, which the space varies.
MODELS: dict[str, Any] = {"given": {"model": None}}


def test_the_command_line_of_the_best_trial_gives_its_config(
    search: Search, rate_formula: Formula
) -> None:
    space = (
        "learning_rate=log:1e-5:1e-1, batch_size=8:64, balance=true|false, dropout=default|0.5,"
        " head_widths=512|512,256, optimizer=sgd|adamw"
    )
    trained: dict[str, TrainConfig] = {}

    def formula(config: TrainConfig, epoch: int) -> float:
        trained[Path(config.workdir or "").name] = config
        return rate_formula(config, epoch)

    report = search(formula, space=space, trials=4, given={"augment": "flip", "offline": True})
    program, _, module, *words = shlex.split(report["command"])
    assert (program, module) == ("python", "launch.train")
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["train", *words])
    resolved = resolve(given_flags(TrainConfig))
    flags.FLAGS.unparse_flags()
    config = trained[report["best"]["directory"]]
    ignored = {"workdir": None, "resume": False, "progress": False}
    assert {**vars(resolved), **ignored} == {**vars(config), **ignored}
    assert resolved.workdir != config.workdir


@pytest.mark.parametrize(
    "options",
    [
        {"space": "optimizer=adam|sgd, momentum=0.1|0.8"},
        {"space": "optimizer=adam|sgd", "given": {"momentum": 0.8}},
    ],
)
def test_a_field_that_only_some_trials_use_is_recommended_where_it_is_used(
    search: Search, options: dict[str, Any], tmp_path: Path
) -> None:
    for best in ("adam", "sgd"):
        report = search(
            lambda config, epoch, best=best: 0.5 + 0.1 * (config.optimizer == best),
            sampler="grid",
            out=str(tmp_path / best),
            **options,
        )
        assert report["best"]["values"]["optimizer"] == best
        assert ("--momentum" in report["command"]) == (best == "sgd")


def test_another_search_is_refused_in_the_same_folder(search: Search) -> None:
    search(trials=1, space=RATE)
    for change, words in (
        ({"space": "learning_rate=log:1e-5:0.5"}, ["space: ", "1.0 → ", "0.5"]),
        ({"space": "momentum=0:0.9"}, ["momentum=0.0:0.9"]),
        ({"given": {"model": "cnn4"}}, ["model: cnn3 → cnn4"]),
        ({"given": {"dataset": "fer2013"}}, ["dataset: synthetic → fer2013"]),
        ({"given": {"epochs": 9}}, ["epochs: 4 → 9"]),
        ({"sampler": "random"}, ["sampler: tpe → random"]),
        ({"search_seed": 1}, ["search_seed: 0 → 1"]),
    ):
        with pytest.raises(UserError) as error:
            search(**{"trials": 2, "space": RATE, **change})
        assert not [word for word in (*words, "another --out") if word not in str(error.value)]
    more = search(trials=2, space="learning_rate=log:0.00001:1", given={"cache_dir": "c"})
    assert len(more["rows"]) == 2


def test_a_study_of_more_networks_is_another_study(search: Search) -> None:
    search(trials=1, space="model=cnn3|cnn4", **MODELS)
    with pytest.raises(UserError, match=r"(?s)another study.*recipe of cnn5"):
        search(trials=2, space="model=cnn3|cnn4|cnn5", **MODELS)


def test_fewer_trials_than_exist_change_nothing(search: Search) -> None:
    search(trials=3)
    assert len(search(trials=2)["rows"]) == 3


def test_a_folder_with_other_files_is_refused(search: Search, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"--out=.*thesis\.tex.*Nothing was written"):
        search()
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["thesis.tex"]
    with pytest.raises(UserError, match="is a file"):
        search(out=str(tmp_path / "study" / "thesis.tex"))


def test_a_study_that_another_worker_is_writing(search: Search, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / ".study.json.1234.tmp").write_text("{")
    assert len(search(trials=1)["rows"]) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"given": {"workdir": "x"}}, ["--workdir", "--out"]),
        ({"given": {"seeds": (1, 2)}}, ["--seeds", "a trial is one"]),
        ({"given": {"folds": 5}}, ["--folds", "one --fold"]),
        ({"given": {"learning_rate": 0.1}, "space": RATE}, ["learning_rate is given"]),
        ({"given": {"epochs": 0}}, ["--epochs=0"]),
        ({"space": "lr=1:2"}, ["unknown field in --space 'lr'"]),
        ({"trials": 0}, ["--trials=0"]),
        ({"sampler": "tpa"}, ["'tpa'", "Did you mean 'tpe'"]),
        ({"sampler": "grid"}, ["--sampler=grid", "has a range"]),
        ({"space": "model=cnn4|cnn5"}, ["varies model, and --model is given"]),
        ({**MODELS, "space": "model=cnn4|cnn44"}, ["unknown model 'cnn44'"]),
        ({**MODELS, "space": "model=default|cnn4"}, ["model=default stands for no network"]),
        (
            {"given": {"optimizer": "adam"}, "space": "momentum=0.1|0.9"},
            ["--space varies momentum: --optimizer=adam does not use it"],
        ),
        (
            {"given": {"momentum": 0.5}, "space": RATE},
            ["--momentum=0.5: --optimizer=adamw does not use it"],
        ),
        ({"space": "layer_decay=0.5|0.7", "given": {"freeze": "all_but_head"}}, ["no layer below"]),
        (
            {
                "given": {**MODELS["given"], "recipe": "yang_cnn4_fer2013"},
                "space": "model=cnn4|cnn5",
            },
            ["--recipe=yang_cnn4_fer2013 is of one model"],
        ),
    ],
)
def test_settings_that_cannot_be_searched(
    search: Search, options: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        search(**options)
    assert not [word for word in words if word not in str(error.value)], error.value
    assert not list(tmp_path.iterdir())


def test_a_given_field_does_not_vary_by_default(search: Search) -> None:
    report = search(trials=2, given={"optimizer": "adam", "weight_decay": 0.0, "resume": True})
    assert set(report["fields"]) == {"learning_rate", "label_smoothing", "augment"}


def test_a_missing_optuna_names_the_extra(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'ferjax\[search\]'"):
        search()
