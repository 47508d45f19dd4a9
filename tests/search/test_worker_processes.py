"""Worker processes of one search, each with a fake training function: crash, error, SIGTERM."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.tool_configs import SearchConfig
from ferjax.errors import Terminated, UserError
from ferjax.search.worker_processes import run_workers

pytest.importorskip("optuna")
HERE = Path(__file__).parent
# A worker; its arguments are the folder of conftest.py, the study and what happens.
SCRIPT = """
import os, signal, sys, time
from pathlib import Path
folder, out, what = sys.argv[1:]
sys.path.insert(0, folder)
from conftest import GIVEN, learning_rate_matters, fake_train
import ferjax.report.pages.search_files
from ferjax.errors import Terminated, UserError
from ferjax.search.run_search import run_search
from ferjax.config.tool_configs import SearchConfig

ferjax.report.pages.search_files.draw_trials = lambda *_: None

def formula(config, epoch):
    name = Path(config.workdir).name
    # The first trial ends after both workers have started one.
    while name == "trial_0000" and not Path(out, "trial_0001").exists():
        time.sleep(0.05)
    if what == "die" and name == "trial_0001" and not Path(out, "died").exists():
        Path(out, "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    while what == "wait":
        time.sleep(0.05)
    return learning_rate_matters(config, epoch)

def prepare(config):
    if what == "refuse":
        raise UserError("no such data")

try:
    config = SearchConfig(out=out, trials=6, pruner="none")
    run_search(config, GIVEN, train=fake_train(formula), prepare=prepare)
except UserError as error:
    sys.exit(f"error: {error}")
"""


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Returns a function (what happens) → report of two workers on tmp_path / study."""
    root = HERE.parents[1]
    monkeypatch.setenv("PYTHONPATH", str(root))

    def call(what: str) -> dict[str, Any]:
        out = str(tmp_path / "study")
        command = [sys.executable, "-c", SCRIPT, str(HERE), out, what]
        given = {"model": "cnn3", "dataset": "synthetic", "epochs": 4, "progress": False}
        config = SearchConfig(out=out, trials=6, pruner="none", workers=2)
        return run_workers(config, given, command)

    return call


def test_two_workers_share_one_study_and_one_finishes_the_trial_of_the_other(
    workers: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    report = workers("die")
    assert (tmp_path / "study" / "died").exists()
    rows = report["rows"]
    assert [(row["number"], row["state"]) for row in rows] == [(k, "complete") for k in range(6)]
    assert len({row["values"]["learning_rate"] for row in rows}) == 6
    assert list(report["results"]) == ["val", "test"]
    assert Path(report["path"]).is_file()


def test_the_error_of_one_worker_is_raised(
    workers: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"worker \d: no such data"):
        workers("refuse")
    assert not (tmp_path / "study" / "study.json").exists()


def test_stopping_the_search_stops_its_workers(
    workers: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    def end() -> None:
        while not (tmp_path / "study" / "trial_0001").exists():
            time.sleep(0.1)
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end, daemon=True).start()
    with pytest.raises(Terminated):
        workers("wait")
    # The lock file of a worker exists as long as the worker runs.
    assert not list((tmp_path / "study" / "workers").glob("*.lock"))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
