"""launch.reproduce --smoke: killed in the middle and given again, refusals, and all five papers."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.reproduce_config import PAPERS, ReproduceConfig
from ferjax.errors import UserError
from ferjax.reproduce.command.run_reproduce import run_reproduce
from ferjax.reproduce.command.verify_report import verify_report
from ferjax.reproduce.running import plan
from ferjax.reproduce.running.plan import PlannedRun
from ferjax.reproduce.running.run_experiments import run_one
from ferjax.runs.train_phases import Watch


def config(out: Path, **given: Any) -> ReproduceConfig:
    return ReproduceConfig(
        **{"paper": "yang", "smoke": True, "out": str(out), "progress": False, **given}
    )


def test_killed_in_the_middle_and_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, trained = tmp_path / "out", []

    def train(run: PlannedRun, watch: Watch) -> str:
        trained.append(run.name)
        if trained.count("cnn4-seed_0") == 1 and run.name == "cnn4-seed_0":
            raise KeyboardInterrupt
        return run_one(run, watch)

    given = config(out, only=("cnn3", "cnn4"))
    with pytest.raises(KeyboardInterrupt):
        run_reproduce(given, train=train)
    # The report can be written from what is done.
    partial = run_reproduce(config(out, report=True, only=given.only), train=train)
    assert verify_report(Path(partial["path"]))[0] == []
    states = {row["name"]: row["state"] for row in partial["experiments"]}
    assert (states["cnn3"], states["cnn4"]) == ("1 run", "not run yet")
    stored = out / "predictions" / "cnn3-seed_0.npz"
    written = stored.stat().st_mtime_ns
    report = run_reproduce(given, train=train)
    assert trained == 2 * ["cnn3-seed_0", "cnn4-seed_0"]
    assert stored.stat().st_mtime_ns == written
    assert verify_report(Path(report["path"]))[0] == []
    rows = {row["name"]: row for row in report["ledger"]}
    macro = rows["macro_f1_3_layers"]
    assert macro["verdict"] == "could not be tested here"
    run = json.loads((out / "runs" / "cnn3" / "seed_0" / "report.json").read_text("utf-8"))
    own = run["results"]["val"]["last"]
    assert macro["ours"]["mean"] == pytest.approx(own["macro"]["f1"])
    assert macro["ours"]["images"] == own["count"]
    # A done run with other settings is refused, as by launch.train.
    monkeypatch.setattr(plan, "_SMOKE", {**plan._SMOKE, "limit": 24})
    with pytest.raises(UserError, match=r"another configuration \(limit: 16 → 24\)"):
        run_reproduce(given, train=train)


def test_an_experiment_that_fails_leaves_the_others(tmp_path: Path) -> None:
    def train(run: PlannedRun, watch: Watch) -> str:
        raise UserError(f"no {run.name}")

    with pytest.raises(UserError, match=r"no experiment could be run\. cnn3: no cnn3-seed_0"):
        run_reproduce(config(tmp_path / "out", only=("cnn3", "cnn4")), train=train)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FERJAX_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"rafdb is not at hand.*Get rafdb: .*--smoke runs"):
        run_reproduce(config(tmp_path / "liu", paper="liu", smoke=False, offline=True))
    assert not (tmp_path / "liu").exists()
    for given, message in (
        ({"smoke": False, "data_dir": ("nowhere",)}, "nowhere, given for fer2013, is not there"),
        ({"smoke": False, "dataset": ("faces",)}, "unknown --dataset"),
        ({"smoke": False, "weights": ("vgg99=x",)}, "unknown network of --weights"),
        ({"smoke": False, "weights": ("vgg16=none",)}, "no such file"),
        ({"only": ("cnn7",)}, "unknown --only 'cnn7'"),
    ):
        with pytest.raises(UserError, match=message):
            run_reproduce(config(tmp_path / "other", **given))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="holds other files and no reproduction"):
        run_reproduce(config(tmp_path / "mine"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "found none of them"),
        ({"paper": "yang", "verify": "x"}, "found --paper and --verify"),
        ({"paper": "yang", "weights": ("vgg16",)}, "NAME=FILE is expected"),
        ({"paper": "yang", "smoke": True, "data_dir": ("x",)}, "--smoke draws its own faces"),
        ({"paper": "young"}, "unknown --paper 'young'"),
    ],
)
def test_flags(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ReproduceConfig(**given)


@pytest.mark.slow
def test_all_five_papers_in_three_minutes(tmp_path: Path) -> None:
    start = time.monotonic()
    for paper in PAPERS:
        report = run_reproduce(config(tmp_path / paper, paper=paper))
        assert verify_report(Path(report["path"]))[0] == []
        failed = [row["state"] for row in report["experiments"] if "error" in row["state"]]
        assert not failed
    assert time.monotonic() - start < 180
