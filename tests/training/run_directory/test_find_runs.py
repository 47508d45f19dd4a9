"""Folders that are no run: the sentence names the runs inside, or the run around."""

import json
import re
from pathlib import Path

import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate
from ferjax.predict import load_predictor
from ferjax.training.run_directory.find_runs import check_is_run, where_runs_are


def runs(root: Path, *names: str) -> Path:
    for name in names:
        (root / name / "checkpoints").mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("fold_01", "fold_02"), "It holds 2 runs: TOP/fold_01, TOP/fold_02. Give one of them."),
        (("seed_0/fold_01", "seed_3/fold_01"), "2 runs: TOP/seed_0/fold_01, TOP/seed_3/fold_01."),
        (tuple(f"trial_{k:03}" for k in range(12)), "TOP/trial_007 and 4 more. Give"),
        ((), "TOP: no such folder. Give the folder of a ferjax run."),
    ],
)
def test_runs_inside(names: tuple[str, ...], words: str, tmp_path: Path) -> None:
    top = runs(tmp_path / "top", *names)
    with pytest.raises(UserError) as caught:
        check_is_run(top)
    assert words in str(caught.value).replace(str(top), "TOP")
    with pytest.raises(UserError) as caught:
        load_predictor(top)
    assert words in str(caught.value).replace(str(top), "TOP")


def test_a_search_names_its_best_trial(tmp_path: Path) -> None:
    runs(tmp_path, "trial_000", "trial_001")
    (tmp_path / "report.json").write_text(json.dumps({"best": {"directory": "trial_001"}}))
    assert f"The best trial is {tmp_path / 'trial_001'}." in where_runs_are(tmp_path)
    with pytest.raises(UserError, match=r"no config.json there. It holds 2 runs"):
        run_evaluate(EvalConfig(str(tmp_path)))


def test_a_folder_or_file_of_a_run(tmp_path: Path) -> None:
    run = runs(tmp_path, "run") / "run"
    (run / "checkpoints" / "8").mkdir()
    (run / "report.md").touch()
    for inner in ("checkpoints", "checkpoints/8", "report.md"):
        assert where_runs_are(run / inner) == f"It lies in the run {run}: give that."


def test_a_series_is_refused_before_its_data_are_read(tiny_run: Path, tmp_path: Path) -> None:
    top = runs(tmp_path / "top", "seed_0", "seed_1")
    (top / "config.json").write_text((tiny_run / "config.json").read_text())
    with pytest.raises(UserError, match=r"no checkpoints/ there. It holds 2 runs"):
        run_evaluate(EvalConfig(str(top), split="val"))


def test_a_misspelt_file_or_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "fernet-ferplus.safetensors").touch()
    runs(tmp_path, "mine")
    place = tmp_path / "fernet-ferpluss.safetensors"
    words = (
        f"{place}: no such file. Did you mean {tmp_path / 'fernet-ferplus.safetensors'}?"
        f" {tmp_path} holds fernet-ferplus.safetensors, mine. Give the folder of a ferjax run, or a"
        " weights file."
    )
    with pytest.raises(UserError, match=re.escape(words)):
        load_predictor(place)
    with pytest.raises(UserError, match=r"mmine: no such folder\. Did you mean .*mine\?"):
        load_predictor(tmp_path / "mmine")
    with pytest.raises(UserError, match=r"no model card beside it, fernet-ferplus\.json"):
        load_predictor(tmp_path / "fernet-ferplus.safetensors")
