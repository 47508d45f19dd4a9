"""Trials of a study: no two workers run the same one, and unfinished trials are claimed again."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.tool_configs import SearchConfig
from ferjax.search.optuna_study import (
    build_sampler,
    claim_trial,
    open_study,
    suggest_point,
    worker_lock,
)
from ferjax.search.search_plan import Search, plan_search
from ferjax.search.search_space import settings_from_point

optuna = pytest.importorskip("optuna")
ROOT = Path(__file__).parents[2]
# A process that dies while it holds the lock on the journal.
HOLDER = """
import os, signal, sys
from pathlib import Path
from ferjax.search.optuna_study import _FlockLock
_FlockLock(Path(sys.argv[1])).acquire()
os.kill(os.getpid(), signal.SIGKILL)
"""
GIVEN = {"model": "cnn3", "dataset": "synthetic"}


@pytest.fixture
def search(tmp_path: Path) -> Search:
    config = SearchConfig(trials=5, out=str(tmp_path / "study"), space="batch_size=8:64")
    return plan_search(config, GIVEN)


def test_no_two_workers_claim_the_same_trial(search: Search) -> None:
    first, second = open_study(search), open_study(search)
    with worker_lock(search.out) as one, worker_lock(search.out) as two:
        claims = [claim_trial(search, *worker) for worker in 3 * [(first, one), (second, two)]]
    assert [trial and trial.number for trial in claims] == [0, 1, 2, 3, 4, None]


def test_unfinished_trials_are_claimed_first_and_once(search: Search) -> None:
    first, second = open_study(search), open_study(search)
    with worker_lock(search.out) as dead:
        unfinished = claim_trial(search, first, dead)
        drawn = suggest_point(unfinished, search.space)
        with worker_lock(search.out) as one, worker_lock(search.out) as two:
            assert claim_trial(search, second, one).number == 1
            assert claim_trial(search, second, two).number == 2
    with worker_lock(search.out) as one, worker_lock(search.out) as two:
        claims = [claim_trial(search, second, name) for name in (one, two, one, two)]
        assert [trial.number for trial in claims] == [0, 1, 2, 3]
        assert suggest_point(claims[0], search.space) == drawn
    assert not [path for path in (search.out / "workers").iterdir() if path.suffix == ".lock"]


def test_a_worker_without_its_lock_file_counts_as_dead(search: Search) -> None:
    study = open_study(search)
    with worker_lock(search.out) as one:
        claim_trial(search, study, one)
        for path in (search.out / "workers").iterdir():
            path.unlink()
        with worker_lock(search.out) as two:
            assert claim_trial(search, study, two).number == 0
        path.touch()


def test_an_interrupted_claim_is_completed(search: Search) -> None:
    study = open_study(search)
    study.ask()
    with worker_lock(search.out) as one:
        trial = claim_trial(search, study, one)
        assert trial.number == 0
        assert set(settings_from_point(search.space, suggest_point(trial, search.space))) == {
            "batch_size"
        }


def test_the_lock_of_a_dead_process_is_released(search: Search) -> None:
    study = open_study(search)
    path = study._storage._backend._lock._path
    done = subprocess.run([sys.executable, "-c", HOLDER, str(path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert study.ask().number == 0


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_samples_depend_on_seed_and_trial_number(name: str) -> None:
    def drawn(seed: int, number: int) -> Any:
        sampler = build_sampler(SearchConfig(sampler=name, search_seed=seed), number)
        return optuna.create_study(sampler=sampler).ask().suggest_float("x", 0, 1)

    assert drawn(1, 2) == drawn(1, 2)
    assert len({drawn(1, 2), drawn(1, 3), drawn(2, 1), drawn(2, 2)}) == 4
