"""Who has which trial: workers of one study never share one, and none is left behind."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.tool_configs import SearchConfig
from ferjax.search.optuna_study import claim, draw, make_sampler, open_study, present
from ferjax.search.search_plan import Search, plan_search
from ferjax.search.search_space import settings_of

optuna = pytest.importorskip("optuna")
ROOT = Path(__file__).parents[2]
# Dies while it holds the lock on the journal.
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


def test_workers_share_no_trial(search: Search) -> None:
    first, second = open_study(search), open_study(search)
    with present(search.out) as one, present(search.out) as two:
        claims = [claim(search, *who) for who in 3 * [(first, one), (second, two)]]
    assert [trial and trial.number for trial in claims] == [0, 1, 2, 3, 4, None]


def test_what_a_worker_left_is_claimed_first_and_by_one(search: Search) -> None:
    first, second = open_study(search), open_study(search)
    with present(search.out) as gone:
        left = claim(search, first, gone)
        drawn = draw(left, search.space)
        with present(search.out) as one, present(search.out) as two:
            assert claim(search, second, one).number == 1
            assert claim(search, second, two).number == 2
    with present(search.out) as one, present(search.out) as two:
        claims = [claim(search, second, name) for name in (one, two, one, two)]
        assert [trial.number for trial in claims] == [0, 1, 2, 3]
        assert draw(claims[0], search.space) == drawn
    assert not [path for path in (search.out / "workers").iterdir() if path.suffix == ".lock"]


def test_a_worker_that_vanished_without_its_file_is_gone(search: Search) -> None:
    study = open_study(search)
    with present(search.out) as one:
        claim(search, study, one)
        for path in (search.out / "workers").iterdir():
            path.unlink()
        with present(search.out) as two:
            assert claim(search, study, two).number == 0
        path.touch()


def test_a_claim_that_was_cut_off_is_drawn_to_its_end(search: Search) -> None:
    study = open_study(search)
    study.ask()
    with present(search.out) as one:
        trial = claim(search, study, one)
        assert trial.number == 0
        assert set(settings_of(search.space, draw(trial, search.space))) == {"batch_size"}


def test_the_lock_of_a_process_that_dies_is_free(search: Search) -> None:
    study = open_study(search)
    path = study._storage._backend._lock._path
    done = subprocess.run([sys.executable, "-c", HOLDER, str(path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert study.ask().number == 0


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_what_is_drawn_follows_from_seed_and_number(name: str) -> None:
    def drawn(seed: int, number: int) -> Any:
        sampler = make_sampler(SearchConfig(sampler=name, search_seed=seed), number)
        return optuna.create_study(sampler=sampler).ask().suggest_float("x", 0, 1)

    assert drawn(1, 2) == drawn(1, 2)
    assert len({drawn(1, 2), drawn(1, 3), drawn(2, 1), drawn(2, 2)}) == 4
