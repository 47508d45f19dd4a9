"""config.json and the lock of a run directory: whether a config may write or resume there."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ferjax.config.json_file import config_to_json, read_config_file, resume_conflicts
from ferjax.config.train_config import TrainConfig
from ferjax.errors import DiskError, UserError
from ferjax.runtime.atomic_files import whole_entries, write_atomically
from ferjax.runtime.move_aside import move_aside
from ferjax.runtime.processes import on_first
from ferjax.training.run_directory.find_runs import check_exists, where_runs_are
from ferjax.training.run_directory.verified_reads import saved_steps

CONFIG_FILE = "config.json"
_LOCK_FILE = ".lock"


def read_config(run_dir: Path) -> TrainConfig:
    """Returns the config of a run; raises `UserError` where the folder is no run directory."""
    path = run_dir / CONFIG_FILE
    check_exists(run_dir)
    if not path.is_file():
        raise UserError(f"{run_dir}: no {CONFIG_FILE} there. {where_runs_are(run_dir)}")
    return read_config_file(path)


def check_run_dir(config: TrainConfig) -> None:
    """Raises `UserError` unless `config` may write in its workdir.

    It may where nothing is, where a run ended before its first checkpoint, in its own run with
    `resume`, and with `overwrite` in place of any run.
    """
    if config.overwrite and config.resume:
        raise UserError("--overwrite starts anew and --resume continues: leave one of them out.")
    run_dir = Path(config.workdir or "")
    _check_place(run_dir)
    _refuse_live_runs(run_dir, _run_dirs(run_dir))
    _check_content(config)


def _check_place(run_dir: Path) -> None:
    """Raises `UserError` for a place where Orbax would write checkpoints that nobody can read.

    It looks for the arrays of all processes by a pattern that begins with the folder's own path.
    """
    place = str((run_dir / "checkpoints").resolve())
    if found := re.search(r"\[.+?\]|\\", place):
        raise UserError(
            f"--workdir={run_dir}: {found[0]!r} in the path of a run makes its checkpoints"
            " unreadable. Nothing was written; give a path without brackets and backslashes."
        )


def holds_results(run_dir: Path) -> bool:
    """Returns whether a run, or one of a series of seeds and folds, has a checkpoint or a report.

    Where none has, a run ended before there was anything to keep.
    """
    return any(
        (folder / "report.json").is_file() or saved_steps(folder / "checkpoints")
        for folder in _run_dirs(run_dir)
    )


def _run_dirs(run_dir: Path) -> list[Path]:
    """Returns a run directory and those of the seeds and folds in it."""
    parts = ("seed_*", "fold_*", "seed_*/fold_*")
    return [run_dir, *(path for part in parts for path in run_dir.glob(part))]


def _refuse_live_runs(run_dir: Path, folders: Iterable[Path]) -> None:
    """Raises `UserError` if a process holds the lock of one of the folders."""
    if any(map(is_training, folders)):
        raise _live(run_dir)


def is_training(run_dir: Path) -> bool:
    """Returns whether a process holds the lock of a run directory; it writes nothing."""
    try:
        with open(run_dir / _LOCK_FILE) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # no lock, or not for this user to read: taking it says so
    return False


def _live(run_dir: Path) -> UserError:
    return UserError(
        f"--workdir={run_dir}: another run is writing there. Wait for it, or give another."
    )


def lasting_entries(run_dir: Path) -> list[Path]:
    """Returns what a run directory holds but its lock and half-written files.

    A process that was killed in its first write leaves nothing but a temporary file.
    """
    return [path for path in whole_entries(run_dir) if path.name != _LOCK_FILE]


def _check_content(config: TrainConfig) -> None:
    """Raises `UserError` where a workdir holds what `config` may neither continue nor replace."""
    run_dir = Path(config.workdir or "")
    if run_dir.exists() and not run_dir.is_dir():
        raise UserError(f"--workdir={run_dir} is a file; a folder is expected.")
    entries = lasting_entries(run_dir)
    if not entries:
        return
    if not (run_dir / CONFIG_FILE).is_file():
        raise UserError(
            f"--workdir={run_dir} holds {len(entries)} other entries ({entries[0].name} ...) and no"
            " ferjax run. Nothing was written; give an empty or a new folder."
        )
    old = read_config(run_dir)
    if config.overwrite or not holds_results(run_dir):
        return
    ways = "give another --workdir, or --overwrite to move this run aside"
    conflicts = resume_conflicts(old, config)
    if conflicts and config.resume and [text.split(":")[0] for text in conflicts] == ["epochs"]:
        raise UserError(
            f"--workdir={run_dir} holds a run of other length ({conflicts[0]}). Only the last phase"
            " of a constant schedule can be lengthened, and none shortened. Nothing was written; a"
            f" new run can start from this one: --pretrained={run_dir} with another --workdir."
        )
    if conflicts:
        raise UserError(
            f"--workdir={run_dir} holds a run with another configuration"
            f" ({'; '.join(conflicts)}). Nothing was written; {ways}, or give the run's own"
            " settings with --resume."
        )
    if not config.resume:
        other = f" on {old.data_dir}" if old.data_dir != _to_record(config).data_dir else ""
        raise UserError(
            f"--workdir={run_dir} already holds this run{other}. Nothing was written; add --resume"
            f" to continue it, or {ways}."
        )


@contextlib.contextmanager
def locked_run_dir(config: TrainConfig) -> Iterator[Path]:
    """Creates the workdir, writes its config.json and holds its lock; yields its path.

    Of several joined processes the first does so for all.

    Raises:
      UserError: another run is writing there, or the folder cannot be made.
    """
    with contextlib.ExitStack() as held:
        on_first(lambda: held.enter_context(_locked(config)))
        yield Path(config.workdir or "")


@contextlib.contextmanager
def _locked(config: TrainConfig) -> Iterator[None]:
    run_dir = Path(config.workdir or "")
    with contextlib.ExitStack() as held:
        held.enter_context(run_dir_lock(run_dir))
        # Another process may have trained here since the first look.
        _check_content(config)
        if config.overwrite and holds_results(run_dir):
            _refuse_live_runs(run_dir, _run_dirs(run_dir)[1:])
            move_aside(run_dir, "run")
            held.enter_context(run_dir_lock(run_dir))
        # Half-written files of a process that was killed.
        for torn in run_dir.glob(".*.tmp"):
            torn.unlink(missing_ok=True)
        held.enter_context(_own_config_if_nothing_is_added(run_dir))
        write_atomically(run_dir / CONFIG_FILE, config_to_json(_to_record(config)).encode())
        yield


@contextlib.contextmanager
def _own_config_if_nothing_is_added(run_dir: Path) -> Iterator[None]:
    """Puts the config of a run back where it was to be resumed and an error came before a save.

    Else the config of a finished run that could not be lengthened would state epochs that it does
    not have, and its own command would be refused.
    """
    path, saved = run_dir / CONFIG_FILE, saved_steps(run_dir / "checkpoints")
    before = path.read_bytes() if saved and path.is_file() else None
    try:
        yield
    except BaseException:
        if before is not None and saved_steps(run_dir / "checkpoints") == saved:
            with contextlib.suppress(OSError, UserError):  # the first error says what is wrong
                write_atomically(path, before)
        raise


def _to_record(config: TrainConfig) -> TrainConfig:
    """Returns the config that is read from any folder, and never moves the run itself aside."""
    paths = {name: getattr(config, name) for name in ("data_dir", "cache_dir")}
    found = {name: os.path.abspath(path) for name, path in paths.items() if path}
    return replace(config, overwrite=False, **found)


@contextlib.contextmanager
def run_dir_lock(run_dir: Path) -> Iterator[None]:
    """Holds the lock of a run directory, which is created where it is missing.

    Raises:
      UserError: another process holds it, or the folder cannot be made.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = open(run_dir / _LOCK_FILE, "a")  # noqa: SIM115 (held for the whole run)
    except OSError as error:
        raise DiskError(f"--workdir={run_dir} cannot be written: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _live(run_dir) from None
        yield
