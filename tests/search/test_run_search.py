"""A whole search with a fake training function: sampling, pruning, failures, resumption, report."""

import errno
import json
import math
import os
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.errors import DiskError, UserError
from ferjax.search import run_search
from ferjax.training.loop import Diverged

pytest.importorskip("optuna")
Search = Callable[..., dict[str, Any]]
Formula = Callable[[TrainConfig, int], float]
RATE = "learning_rate=log:1e-5:1.0"


def values(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [row["values"] for row in report["rows"]]


def states(report: dict[str, Any]) -> list[str]:
    return [row["state"] for row in report["rows"]]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_with_one_worker_is_reproducible(
    search: Search, tmp_path: Path, sampler: str
) -> None:
    options = {"sampler": sampler, "trials": 14}
    first, second, other = (
        search(out=str(tmp_path / name), search_seed=seed, **options)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert values(first) == values(second)
    assert values(first) != values(other)
    assert states(first).count("complete") >= 5
    rates = [row["learning_rate"] for row in values(first)]
    assert len(set(rates)) == 14
    assert 1e-4 <= min(rates) < max(rates) <= 1e-1


def test_samples_do_not_depend_on_how_the_search_was_split(search: Search) -> None:
    whole = search(sampler="random", trials=5, pruner="none", space=RATE, search_seed=3)
    out = str(Path(whole["path"]).parent / "again")
    for trials in (2, 3, 5):
        part = search(
            sampler="random", trials=trials, pruner="none", space=RATE, search_seed=3, out=out
        )
        assert values(part) == values(whole)[:trials]


def test_every_combination_once(search: Search) -> None:
    space = "model=cnn3|cnn4|cnn5, dropout=default|0.5"
    options = {"space": space, "sampler": "grid", "given": {"model": None}}
    assert len(search(trials=4, **options)["rows"]) == 4
    prepared: list[str] = []
    report = search(
        trials=None,
        **options,
        prepare=lambda config: prepared.append(config.model),
        imports=("my.module",),
    )
    assert prepared[:3] == ["cnn3", "cnn4", "cnn5"]
    points = [(row["model"], row["dropout"]) for row in values(report)]
    assert len(points) == 6
    assert set(points) == set(product(("cnn3", "cnn4", "cnn5"), ("default", "0.5")))
    assert report["title"] == "search: cnn3, cnn4, cnn5 on synthetic, 6 trials"
    assert not [warning for warning in report["warnings"] if "unfinished" in warning]
    model, dropout = (report["best"]["values"][name] for name in ("model", "dropout"))
    assert report["command"].startswith("python -m launch.train --import=my.module ")
    assert f"--model={model}" in report["command"]
    assert ("--dropout=0.5" in report["command"]) == (dropout == "0.5")
    assert values(search(trials=30, **options)) == values(report)


def test_tpe_approaches_the_best_value(search: Search) -> None:
    report = search(sampler="tpe", trials=40, pruner="none", space=RATE)
    distances = [abs(math.log10(row["learning_rate"] / 3e-3)) for row in values(report)]
    # Numbers drawn uniformly in the logarithm have this mean distance.
    uniform = (math.log10(3e-3 / 1e-5) ** 2 + math.log10(1 / 3e-3) ** 2) / 2 / 5
    assert sum(distances[20:]) / 20 < 0.6 * uniform
    assert report["best"]["accuracy"] > 0.8


def test_a_bad_trial_is_pruned_and_not_trained_further(
    search: Search, rate_formula: Formula
) -> None:
    evaluated: list[tuple[str, int]] = []

    def formula(config: TrainConfig, epoch: int) -> float:
        evaluated.append((Path(config.workdir or "").name, epoch))
        return rate_formula(config, epoch)

    report = search(formula, sampler="random", trials=20, space=RATE, given={"epochs": 8})
    pruned = [row for row in report["rows"] if row["state"] == "pruned"]
    assert "pruned" not in states(report)[:5]
    assert len(pruned) >= 3
    # The first quarter of the epochs is never pruned; after the last epoch pruning saves nothing.
    assert all(2 <= row["epochs"] < 8 for row in pruned)
    for row in report["rows"]:
        assert max(epoch for name, epoch in evaluated if name == row["directory"]) == row["epochs"]
    best = max(row["accuracy"] for row in report["rows"] if row["state"] == "complete")
    assert all(row["accuracy"] < best for row in pruned)


def test_without_a_pruner_every_trial_runs_to_its_end(search: Search) -> None:
    report = search(sampler="random", trials=12, pruner="none", space=RATE)
    assert states(report) == ["complete"] * 12
    assert {row["epochs"] for row in report["rows"]} == {4}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Diverged("the loss is not finite at step 3"), "not finite at step 3"),
        (UserError("--batch_size=6: 4 devices"), "--batch_size=6: 4 devices"),
        (MemoryError(), "memory ran out"),
    ],
)
def test_a_trial_that_cannot_be_trained_counts_as_failed(
    search: Search, error: Exception, reason: str
) -> None:
    def formula(config: TrainConfig, epoch: int) -> float:
        if str(config.workdir).endswith("trial_0001") and epoch == 2:
            raise error
        return 0.5

    report = search(formula, trials=3)
    assert states(report) == ["complete", "failed", "complete"]
    failed = report["rows"][1]
    assert reason in failed["failure"]
    assert (failed["accuracy"], report["best"]["number"]) == (None, 0)
    assert f"trial 1: {failed['failure']}" in Path(report["path"]).read_text()


def test_values_that_do_not_fit_each_other_fail_only_their_trial(search: Search) -> None:
    space = "schedule=cosine|one_cycle, warmup_epochs=0.5:1"
    report = search(trials=6, space=space, sampler="random")
    for row in report["rows"]:
        cycle = row["values"]["schedule"] == "one_cycle"
        assert (row["state"] == "failed") == cycle
        assert not cycle or "one_cycle has a warm-up of its own" in row["failure"]
    assert {"complete", "failed"} <= set(states(report))


def test_settings_that_no_trial_can_use_end_the_search_before_any_write(
    search: Search, tmp_path: Path
) -> None:
    def prepare(config: TrainConfig) -> None:
        raise UserError(f"unknown data set {config.dataset!r}")

    with pytest.raises(UserError, match="unknown data set 'synthetic'"):
        search(prepare=prepare)
    assert not list(tmp_path.iterdir())


def test_missing_data_end_the_search_and_fail_no_trial(search: Search, tmp_path: Path) -> None:
    exists = [True]

    def prepare(config: TrainConfig) -> None:
        if not exists[0]:
            raise UserError("--data_dir=x does not exist")

    def formula(config: TrainConfig, epoch: int) -> float:
        if str(config.workdir).endswith("trial_0002") and len(exists) == 1:
            exists[0] = False
            raise UserError("--data_dir=x does not exist")
        return 0.5

    with pytest.raises(UserError, match="does not exist"):
        search(formula, prepare=prepare)
    exists[:] = [True, True]
    assert states(search(formula, prepare=prepare)) == ["complete"] * 6


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_trial_continues_under_its_number(
    search: Search, rate_formula: Formula, stop: type[BaseException]
) -> None:
    interrupt, trained = [True], []

    def formula(config: TrainConfig, epoch: int) -> float:
        if epoch == 1:
            trained.append(config)
        if str(config.workdir).endswith("trial_0002") and epoch == 3 and interrupt:
            interrupt.clear()
            raise stop("interrupted")
        return rate_formula(config, epoch)

    with pytest.raises(stop):
        search(formula, space=RATE, pruner="none")
    report = search(formula, space=RATE, pruner="none")
    assert states(report) == ["complete"] * 6
    assert [str(config.workdir)[-4:] for config in trained] == [
        *("0000", "0001", "0002", "0002", "0003", "0004", "0005")
    ]
    assert trained[2] == trained[3]
    assert trained[2].resume


def test_a_trial_that_kills_its_process_fails_after_three_starts(search: Search) -> None:
    def formula(config: TrainConfig, epoch: int) -> float:
        if str(config.workdir).endswith("trial_0001"):
            raise RuntimeError("killed")
        return 0.5

    for _ in range(3):
        with pytest.raises(RuntimeError):
            search(formula, trials=3)
    report = search(formula, trials=3)
    assert states(report) == ["complete", "failed", "complete"]
    assert report["rows"][1]["failure"] == "its process died 3 times"


def test_ctrl_c_does_not_count_as_a_dead_process(search: Search) -> None:
    interrupts = [KeyboardInterrupt] * 4

    def formula(config: TrainConfig, epoch: int) -> float:
        if interrupts:
            raise interrupts.pop()
        return 0.5

    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            search(formula, trials=1)
    assert states(search(formula, trials=1)) == ["complete"]


def test_test_results_are_those_of_the_best_trial_and_appear_at_the_end(
    search: Search, rate_formula: Formula
) -> None:
    def formula(config: TrainConfig, epoch: int) -> float:
        folder = Path(config.workdir or "").parent
        if str(config.workdir).endswith("trial_0003") and (folder / "report.json").is_file():
            early.append((folder / "report.json").read_text())
        return rate_formula(config, epoch)

    early: list[str] = []
    report = search(formula, trials=4, pruner="none")
    before = json.loads(early[0])
    assert list(before["results"]) == ["val"]
    assert before["warnings"] == ["unfinished: 3 of 4 trials"]
    assert "follow when all trials have ended" in before["protocol"]["test"]
    assert "12.50" not in before["summary"]

    best = max(report["rows"], key=lambda row: row["accuracy"])
    assert report["best"] == best
    assert list(report["results"]) == ["val", "test"]
    assert "12.50 %" in report["summary"]
    assert "selected on val among 4" in report["summary"]
    assert report["warnings"] == ["a warning of the run"]
    stored = json.loads(Path(report["path"]).with_suffix(".json").read_text())
    assert stored["rows"] == report["rows"]


def test_a_full_disk_fails_no_trial(search: Search) -> None:
    full = True

    def formula(config: TrainConfig, epoch: int) -> float:
        if full and epoch == 2:
            raise DiskError("no space")
        return 0.5

    with pytest.raises(DiskError, match="no space"):
        search(formula=formula, trials=2)
    full = False
    report = search(formula=formula, trials=2)
    assert states(report) == ["complete", "complete"]


def test_a_journal_that_cannot_grow_is_one_sentence(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(run_search, "claim_trial", refuse)
        with pytest.raises(DiskError, match=r"--out=.* cannot be written: No space left on device"):
            search(trials=1)
    assert states(search(trials=1)) == ["complete"]


def test_ties_go_to_the_earlier_trial(search: Search) -> None:
    assert search(lambda config, epoch: 0.25)["best"]["number"] == 0


def test_a_missing_report_of_the_best_trial_is_an_error(search: Search) -> None:
    report = search(trials=1)
    (Path(report["path"]).parent / "trial_0000" / "report.json").unlink()
    with pytest.raises(UserError, match=r"trial_0000/report\.json.*put it back"):
        search(trials=1)


def test_every_trial_has_its_line(
    search: Search, rate_formula: Formula, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, also where the search is continued; its runs show none of their own."""

    def formula(config: TrainConfig, epoch: int) -> float:
        assert not config.progress
        return rate_formula(config, epoch)

    for trials in (2, 3):
        search(formula, trials=trials, given={"progress": True})
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("trial")]
    assert [line.split()[1] for line in lines] == ["0", "1", "2"]
    assert all("complete" in line and "best" in line for line in lines)
    search(trials=3, given={"progress": False})
    assert capsys.readouterr().out == ""
