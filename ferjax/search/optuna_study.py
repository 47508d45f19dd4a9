"""The study on disk: its journal, and which worker has which trial."""

import contextlib
import fcntl
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.tool_configs import SearchConfig
from ferjax.errors import UserError
from ferjax.search.search_plan import LOCK_FILE, WORKERS, Search, check_study, write_study
from ferjax.search.search_space import Choice, Range, Space

_JOURNAL = "journal.log"
# A trial whose process dies this often is what kills it.
_DEATHS = 3


class _FlockLock:
    """A lock as Optuna's journal expects one; unlike Optuna's own it ends with its process."""

    def __init__(self, path: Path) -> None:
        self._path, self._held = path, contextlib.ExitStack()

    def acquire(self) -> bool:
        self._held.enter_context(locked(self._path))
        return True

    def release(self) -> None:
        self._held.close()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits for the lock on a file, holds it, and makes the file where it is missing."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def import_optuna() -> Any:
    """Returns the package optuna, quiet.

    Raises:
      UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UserError(
            "the search needs the package optuna, which is not installed. Run: pip install"
            " 'ferjax[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_study(search: Search) -> Any:
    """Returns the `optuna.Study` of a search, begun where its folder is new.

    Raises:
      UserError: optuna is missing, or the folder holds something else or cannot be written.
    """
    optuna = import_optuna()
    check_study(search)
    try:
        search.out.mkdir(parents=True, exist_ok=True)
        with locked(search.out / LOCK_FILE):
            if not check_study(search):
                write_study(search)
            path = search.out / _JOURNAL
            lock = _FlockLock(search.out / f"{LOCK_FILE}.journal")
            backend = optuna.storages.journal.JournalFileBackend(str(path), lock)
            return optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                study_name="search",
                direction="maximize",
                load_if_exists=True,
            )
    except OSError as error:
        raise UserError(f"--out={search.out} cannot be written: {error.strerror}.") from None


@contextlib.contextmanager
def present(out: Path) -> Iterator[str]:
    """Yields a new worker's name; others see that it lives by the lock on its file."""
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    path = out / WORKERS / f"{name}.lock"
    path.parent.mkdir(exist_ok=True)
    with locked(path):
        try:
            yield name
        finally:
            path.unlink()


def _lives(out: Path, worker: str | None) -> bool:
    path = out / WORKERS / f"{worker}.lock"
    if not path.exists():
        return False
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    path.unlink()
    return False


def claim(search: Search, study: Any, worker: str) -> Any:
    """Returns the `optuna.Trial` that a worker is to run next, or None where there is none.

    First what a worker that is gone left unfinished, under its own number; then new trials, until
    the study has as many as were asked for. One worker claims at a time.
    """
    optuna = import_optuna()
    running, fail = optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.FAIL
    with locked(search.out / LOCK_FILE):
        trials = study.get_trials(deepcopy=False)
        for found in trials:
            if found.state != running or _lives(search.out, found.user_attrs.get("worker")):
                continue
            study.sampler = make_sampler(search.config, found.number)
            trial = optuna.Trial(study, found._trial_id)
            if trial.user_attrs.get("starts", 0) < _DEATHS:
                return _taken(trial, worker)
            trial.set_user_attr("failure", f"its process died {_DEATHS} times")
            study.tell(trial, state=fail)
        if len(trials) >= search.config.trials:
            return None
        study.sampler = make_sampler(search.config, len(trials))
        trial = study.ask()
        draw(trial, search.space)
        return _taken(trial, worker)


def _taken(trial: Any, worker: str) -> Any:
    trial.set_user_attr("worker", worker)
    trial.set_user_attr("starts", trial.user_attrs.get("starts", 0) + 1)
    return trial


def draw(trial: Any, space: Space) -> dict[str, Any]:
    """Returns the point of the space at which a trial lies: field → number or choice's text."""
    return {name: _suggested(trial, name, values) for name, values in space.items()}


def _suggested(trial: Any, name: str, values: Range | Choice) -> Any:
    if isinstance(values, Choice):
        return trial.suggest_categorical(name, values.texts)
    suggest = trial.suggest_int if isinstance(values.low, int) else trial.suggest_float
    return suggest(name, values.low, values.high, log=values.log)


def make_sampler(config: SearchConfig, number: int) -> Any:
    """Returns the sampler of one trial; what it draws follows from the seed and the number.

    Of `tpe` also from the trials that have finished or are under way.
    """
    samplers = import_optuna().samplers
    own = int(np.random.SeedSequence([config.search_seed, number]).generate_state(1)[0])
    if config.sampler == "random":
        return samplers.RandomSampler(seed=own)
    return samplers.TPESampler(seed=own)
