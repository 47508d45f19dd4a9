"""launch.reproduce --smoke: killed in the middle and given again, refusals, and all five papers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.reproduce_config import PAPERS, ReproduceConfig
from ferjax.data.registry import dataset_entries
from ferjax.errors import UserError
from ferjax.reproduce.command import run_reproduce as module
from ferjax.reproduce.command.run_reproduce import finished_results, run_reproduce
from ferjax.reproduce.command.verify_report import verify_report
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.reporting.run_tables import experiments_of
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.running import plan, run_experiments
from ferjax.reproduce.running.at_hand import AtHand
from ferjax.reproduce.running.plan import PlannedRun, plan_others, plan_runs
from ferjax.reproduce.running.run_experiments import run_one
from ferjax.runs.train_phases import Watch

ROOT = Path(__file__).resolve().parents[3]


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
    # What --only leaves out is in the report all the same, where it is finished.
    whole = run_reproduce(config(out, report=True, only=("cnn6",)), train=train)
    states = {row["name"]: row["state"] for row in whole["experiments"]}
    assert [states[name] for name in ("cnn3", "cnn4", "cnn6")] == ["1 run", "1 run", "not run yet"]
    rows = {row["name"]: row for row in report["ledger"]}
    macro = rows["macro_f1_3_layers"]
    assert macro["verdict"] == "could not be tested here"
    place = out / "runs" / "cnn3" / "seed_0" / "report.json"
    run = json.loads(place.read_text("utf-8"))
    own = run["results"]["val"]["last"]
    assert macro["ours"]["mean"] == pytest.approx(own["macro"]["f1"])
    assert macro["ours"]["images"] == own["count"]
    # A run that was deleted and trained again is collected again.
    run["environment"]["training wall time, minutes"] = 123.0
    place.write_text(json.dumps(run), "utf-8")
    again = run_reproduce(config(out, report=True, only=given.only), train=train)
    costs = {row["experiment"]: row for row in again["costs"]}
    assert costs["cnn3"]["minutes"] == 123
    assert stored.stat().st_mtime_ns != written
    # A report whose runs are gone is kept.
    (out / "runs").rename(out / "runs elsewhere")
    page = Path(again["path"]).read_bytes()
    with pytest.raises(UserError, match="holds a report, but no finished run"):
        run_reproduce(config(out, report=True, only=given.only), train=train)
    assert Path(again["path"]).read_bytes() == page
    (out / "runs elsewhere").rename(out / "runs")
    # A done run with other settings is refused, as by launch.train.
    monkeypatch.setattr(plan, "_SMOKE", {**plan._SMOKE, "limit": 24})
    with pytest.raises(UserError, match=r"another configuration \(limit: 16 → 24\)"):
        run_reproduce(given, train=train)


def test_an_experiment_that_fails_leaves_the_others(tmp_path: Path) -> None:
    def train(run: PlannedRun, watch: Watch) -> str:
        raise UserError(f"no {run.name}")

    with pytest.raises(UserError, match=r"no experiment could be run\. cnn3: no cnn3-seed_0"):
        run_reproduce(config(tmp_path / "out", only=("cnn3", "cnn4")), train=train)


def test_what_is_finished_gets_a_page_although_a_seed_fails(
    tmp_path: Path, make_result: Callable[..., RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def finished(out: Path, run: PlannedRun, wanted: object) -> RunResult | None:
        if run.name == "cnn3-seed_1":
            raise UserError("it is damaged")
        one = run.experiment.name in ("cnn3", "cnn5") and run.seed < 2
        return make_result(run.experiment.name, run.seed) if one else None

    def train(run: PlannedRun, watch: Watch) -> str:
        if run.seed == 1:
            raise UserError("its loss is not finite")
        return "trained"

    for place in (module, run_experiments):
        monkeypatch.setattr(place, "finished_result", finished)
    given = config(tmp_path / "out", only=("cnn3",))
    monkeypatch.setattr(plan, "_seeds_of", lambda *_: 3)
    report = run_reproduce(given, train=train)
    assert Path(report["path"]).is_file()
    states = {row["name"]: row["state"] for row in report["experiments"]}
    assert states["cnn3"] == "1 run; seed 1 failed: its loss is not finite"
    # Seeds that are left are said, and the report is written all the same.
    assert states["cnn5"] == "2 runs; seed 2 not run yet"


def test_seeds_of_other_images_and_runs_of_other_settings_are_left_out(
    tmp_path: Path, make_result: Callable[..., RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = find_paper("yang")
    at_hand = AtHand({}, {}, {})
    given = config(tmp_path, smoke=False, only=("cnn3",))
    runs, others = (p(given, paper, at_hand, tmp_path) for p in (plan_runs, plan_others))

    def finished(out: Path, run: PlannedRun, wanted: object) -> RunResult | None:
        found = make_result(run.experiment.name, run.seed, images=700 + 7 * (run.seed == 2))
        if run.name == "cnn5-seed_1":
            raise UserError("it has other settings")
        return found if run.experiment.name in ("cnn3", "cnn5") else None

    monkeypatch.setattr(module, "finished_result", finished)
    results, problems = finished_results(runs, others, tmp_path, {})
    assert {name: [run.seed for run in group] for name, group in results.items()} == {
        "cnn3": [0, 1],
        "cnn5": [0],
    }
    assert problems["cnn3"].startswith("seed 2 is left out: it learned from other images than seed")
    assert problems["cnn5"] == "it has other settings"
    states = {row["name"]: row["state"] for row in experiments_of(paper, results, problems)}
    assert states["cnn5"] == "1 run; it has other settings"
    assert states["cnn6"] == "not run yet"
    with pytest.raises(UserError, match="it has other settings"):
        finished_results(others, (), tmp_path, {})


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FERJAX_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    for paper, stand_ins in (
        ("liu", "fer2013:PATH"),
        ("farahani", "fer2013:PATH[,ferplus:PATH]"),
        ("kumari", "fer2013:PATH[,ferplus:PATH]"),
        ("yang", None),
    ):
        with pytest.raises(UserError) as caught:
            run_reproduce(config(tmp_path / "new", paper=paper, smoke=False, offline=True))
        text = str(caught.value)
        assert not (tmp_path / "new").exists()
        assert "not at hand. Get " in text
        assert text.endswith("Without any data --smoke runs the same on drawn faces.")
        assert (f"The stand-ins take --data_dir={stand_ins}." in text) == bool(stand_ins)
        for name in find_paper(paper).datasets:
            assert text.count(dataset_entries()[name].source) == 1
    other = config(tmp_path / "new", paper="liu", smoke=False, dataset=("kdef",))
    with pytest.raises(UserError, match=r"^--paper=liu: the data set kdef is .* Get kdef: "):
        run_reproduce(other)
    for given, message in (
        ({"smoke": False, "data_dir": ("nowhere",)}, "nowhere, given for fer2013, is not there"),
        ({"smoke": False, "dataset": ("faces",)}, "unknown --dataset"),
        ({"smoke": False, "weights": ("vgg99=x",)}, "unknown network of --weights"),
        ({"smoke": False, "weights": ("vgg16=none",)}, "no such file"),
        ({"only": ("cnn7",)}, "unknown --only 'cnn7'"),
    ):
        with pytest.raises(UserError, match=message):
            run_reproduce(config(tmp_path / "other", **given))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "reproduction.json").write_text("{")
    with pytest.raises(UserError, match=r"reproduction\.json: not valid JSON"):
        run_reproduce(config(tmp_path / "damaged"))
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
    """As a user gives the commands: one device, without the settings of the tests."""
    ours = ("JAX_", "XLA_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    seconds = 0.0
    for paper in PAPERS:
        command = ["-m", "launch.reproduce", f"--paper={paper}", "--smoke", "--out=."]
        (tmp_path / paper).mkdir()
        start = time.monotonic()
        subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path / paper,
            env={**environment, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        seconds += time.monotonic() - start
        assert verify_report(tmp_path / paper / "report.html")[0] == []
        report = json.loads((tmp_path / paper / "report.json").read_text("utf-8"))
        assert not [one for one in report["experiments"] if "error" in one["state"]]
    assert seconds < 180
