"""The Optuna study on disk: journal, file locks, workers that claim trials, samplers."""

import contextlib
import fcntl
import json
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ferjax.errors import DiskError, UserError, refused_by_disk
from ferjax.runtime.append_lines import drop_torn_line
from ferjax.runtime.move_aside import move_aside
from ferjax.runtime.optional_packages import require_package
from ferjax.search.search_plan import (
    LOCK_FILE,
    STUDY_FILE,
    WORKERS,
    Search,
    changed_settings,
    study_exists,
    write_study,
)
from ferjax.search.search_space import Choice, Range, Space, choices_only
from ferjax.training.run_directory.config_and_lock import holds_results

_JOURNAL = "journal.log"
# A trial fails after its process has died this many times.
_MAX_STARTS = 3


class _FlockLock:
    """A lock for Optuna's journal. Unlike Optuna's locks, it is released if its process dies.

    `acquire` also removes a last line that a killed process has left unfinished. Optuna would write
    the next line directly after it, and could read neither.
    """

    def __init__(self, journal: Path) -> None:
        self._path, self._stack = journal, contextlib.ExitStack()

    def acquire(self) -> bool:
        self._stack.enter_context(file_lock(self._path.with_name(f"{LOCK_FILE}.journal")))
        drop_torn_line(self._path)
        return True

    def release(self) -> None:
        self._stack.close()


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Waits for the lock on a file and holds it; a missing file is created."""
    is_locked = False
    while not is_locked:
        with open(path, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # A process that held the lock may have removed the file; then it locks nothing.
            if is_locked := _is_at(path, file):
                yield


def _is_at(path: Path, file: TextIO) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False


def import_optuna() -> Any:
    """Returns the package optuna; it logs only errors.

    Raises:
      UserError: it is not installed.
    """
    optuna = require_package("optuna", "search", "the search")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_study(search: Search) -> Any:
    """Returns the `optuna.Study` of a search; creates it if its folder is new.

    Raises:
      UserError: optuna is missing, or the folder holds something else or cannot be written.
    """
    optuna = import_optuna()
    study_exists(search)
    with disk_errors(search), _journal_errors(search):
        search.out.mkdir(parents=True, exist_ok=True)
        with file_lock(search.out / LOCK_FILE):
            if not study_exists(search):
                write_study(search)
            path = search.out / _JOURNAL
            lock = _FlockLock(path)
            # Removes an unfinished line before the journal is read for the first time.
            lock.acquire()
            lock.release()
            backend = optuna.storages.journal.JournalFileBackend(str(path), lock)
            return optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                study_name="search",
                direction="maximize",
                load_if_exists=True,
            )


@contextlib.contextmanager
def disk_errors(search: Search) -> Iterator[None]:
    """Raises `DiskError` if Optuna or a lock cannot write in the folder of the study."""
    try:
        yield
    except OSError as error:
        if not refused_by_disk(error) and not _is_within(error.filename, search.out):
            raise
        raise DiskError(
            f"--out={search.out} cannot be written: {error.strerror or error}. Make room there, or"
            " make it writable; the same command continues the search."
        ) from error


def _is_within(name: Any, folder: Path) -> bool:
    return isinstance(name, (str, os.PathLike)) and Path(name).is_relative_to(folder)


@contextlib.contextmanager
def _journal_errors(search: Search) -> Iterator[None]:
    try:
        yield
    except json.JSONDecodeError as error:
        raise UserError(
            f"{search.out / _JOURNAL}: a line is damaged ({error}). Delete it, or give --overwrite"
            " to move this study aside and start anew."
        ) from None


def set_study_aside(search: Search) -> None:
    """Moves another study aside: with `overwrite`, or if none of its trials has a result.

    Raises:
      UserError: a process searches there.
    """
    out = search.out
    if not (out / STUDY_FILE).is_file():
        return
    has_no_results = not any(holds_results(trial) for trial in out.glob("trial_*"))
    if not search.overwrite and not (has_no_results and changed_settings(search)):
        return
    if any(_is_running(out, path.stem) for path in (out / WORKERS).glob("*.lock")):
        raise UserError(f"--out={out}: a search is running there. Wait for it, or give another.")
    move_aside(out, "study")


@contextlib.contextmanager
def worker_lock(out: Path) -> Iterator[str]:
    """Yields the name of a new worker; the lock on its file shows other workers that it runs."""
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    path = out / WORKERS / f"{name}.lock"
    path.parent.mkdir(exist_ok=True)
    with file_lock(path):
        try:
            yield name
        finally:
            path.unlink(missing_ok=True)


def _is_running(out: Path, worker: str | None) -> bool:
    path = out / WORKERS / f"{worker}.lock"
    if not path.exists():
        return False
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    path.unlink(missing_ok=True)
    return False


def claim_trial(search: Search, study: Any, worker: str) -> Any:
    """Returns the `optuna.Trial` that a worker runs next, or None if there is none.

    Unfinished trials of workers that are no longer running come first and keep their number. Then
    new trials are created, until the study has `trials` of them. A lock lets one worker claim at a
    time.
    """
    optuna = import_optuna()
    running, fail = optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.FAIL
    with file_lock(search.out / LOCK_FILE):
        trials = study.get_trials(deepcopy=False)
        for unfinished in trials:
            if unfinished.state != running or _is_running(
                search.out, unfinished.user_attrs.get("worker")
            ):
                continue
            study.sampler = build_sampler(search, unfinished.number)
            trial = optuna.Trial(study, unfinished._trial_id)
            if trial.user_attrs.get("starts", 0) < _MAX_STARTS:
                return _mark_claimed(trial, worker)
            trial.set_user_attr("failure", f"its process died {_MAX_STARTS} times")
            study.tell(trial, state=fail)
        if len(trials) >= search.trials:
            return None
        study.sampler = build_sampler(search, len(trials))
        trial = study.ask()
        suggest_point(trial, search.space)
        return _mark_claimed(trial, worker)


def _mark_claimed(trial: Any, worker: str) -> Any:
    trial.set_user_attr("worker", worker)
    trial.set_user_attr("starts", trial.user_attrs.get("starts", 0) + 1)
    return trial


def suggest_point(trial: Any, space: Space) -> dict[str, Any]:
    """Returns the point of a trial in the search space: field → number, or text of the choice."""
    return {name: _suggest(trial, name, values) for name, values in space.items()}


def _suggest(trial: Any, name: str, values: Range | Choice) -> Any:
    if isinstance(values, Choice):
        return trial.suggest_categorical(name, values.texts)
    suggest = trial.suggest_int if isinstance(values.low, int) else trial.suggest_float
    return suggest(name, values.low, values.high, log=values.log)


def build_sampler(search: Search, number: int) -> Any:
    """Returns the sampler of one trial, which depends on search seed and trial number alone.

    The points of `tpe` also depend on the trials that are finished or running.
    """
    config = search.config
    samplers = import_optuna().samplers
    seed = int(np.random.SeedSequence([config.search_seed, number]).generate_state(1)[0])
    if config.sampler == "grid":
        sampler = samplers.GridSampler(choices_only(search.space) or {}, config.search_seed)
        # After the last combination the sampler would stop `optimize`, which is not used here.
        sampler.after_trial = lambda *_: None
        return sampler
    if config.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    return samplers.TPESampler(seed=seed)
