"""Trials of a study: no two workers run the same one, and unfinished trials are claimed again."""

import fcntl
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.tool_configs import SearchConfig
from ferjax.errors import UserError
from ferjax.search.optuna_study import (
    _is_running,
    build_sampler,
    claim_trial,
    open_study,
    set_study_aside,
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


def test_a_worker_taken_for_a_dead_one_while_it_starts_locks_again(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker locks and removes its file between the opening and the lock."""
    study, flock, removed = open_study(search), fcntl.flock, []

    def later(file: Any, operation: int) -> None:
        path = Path(file.name)
        if operation == fcntl.LOCK_EX and path.parent.name == "workers" and not removed:
            removed.append(path.stem)
            assert not _is_running(search.out, path.stem)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", later)
    with worker_lock(search.out) as one:
        assert removed == [one]
        assert _is_running(search.out, one)
        assert claim_trial(search, study, one).number == 0
        with worker_lock(search.out) as two:
            assert claim_trial(search, study, two).number == 1


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
def test_samples_depend_on_seed_and_trial_number(search: Search, name: str) -> None:
    def drawn(seed: int, number: int) -> Any:
        config = SearchConfig(sampler=name, search_seed=seed)
        sampler = build_sampler(replace(search, config=config), number)
        return optuna.create_study(sampler=sampler).ask().suggest_float("x", 0, 1)

    assert drawn(1, 2) == drawn(1, 2)
    assert len({drawn(1, 2), drawn(1, 3), drawn(2, 1), drawn(2, 2)}) == 4


def tear(search: Search) -> Path:
    """Leaves half of a line in the journal, as a process that was killed while writing it."""
    journal = search.out / "journal.log"
    with open(journal, "ab") as file:
        file.write(b'{"op_code":5,"worker_id":"abc","tri')
    return journal


def test_a_torn_line_of_the_journal_ends_no_study(search: Search) -> None:
    study = open_study(search)
    with worker_lock(search.out) as one:
        claim_trial(search, study, one)
    journal = tear(search)
    study = open_study(search)
    assert journal.read_bytes().endswith(b"}\n")
    with worker_lock(search.out) as two:
        assert claim_trial(search, study, two).number == 0


def test_others_go_on_while_one_dies_writing(search: Search) -> None:
    first, second = open_study(search), open_study(search)
    with worker_lock(search.out) as one, worker_lock(search.out) as two:
        assert claim_trial(search, first, one).number == 0
        tear(search)
        assert claim_trial(search, second, two).number == 1
        tear(search)
        assert claim_trial(search, first, one).number == 2
        assert len(open_study(search).trials) == 3


def test_a_line_glued_to_a_torn_one_is_named(search: Search) -> None:
    """As an earlier ferjax left it."""
    open_study(search)
    with open(tear(search), "ab") as file:
        file.write(b'{"op_code":5}\n{"op_code":5}\n')
    with pytest.raises(UserError, match=r"journal\.log: a line is damaged.*--overwrite"):
        open_study(search)


def test_an_empty_study_gives_way_and_overwrite_moves_the_others(search: Search) -> None:
    open_study(search)
    other = replace(search, config=replace(search.config, search_seed=7))
    same = replace(search, config=replace(search.config, trials=9))
    set_study_aside(same)
    assert (search.out / "study.json").exists()
    set_study_aside(other)
    assert not list(search.out.iterdir())
    open_study(other)
    (search.out / "trial_0000" / "checkpoints" / "8").mkdir(parents=True)
    set_study_aside(search)
    with pytest.raises(UserError, match=r"search_seed: 7 → 0.*--overwrite"):
        open_study(search)
    with (
        worker_lock(search.out),
        pytest.raises(UserError, match="a search is running there"),
    ):
        set_study_aside(replace(search, overwrite=True))
    set_study_aside(replace(search, overwrite=True))
    moved = search.out.with_name("study.old-2")
    assert (moved / "trial_0000" / "checkpoints" / "8").is_dir()
    open_study(search)
