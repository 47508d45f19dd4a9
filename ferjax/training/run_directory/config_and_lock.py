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
    """Returns the config of a run; raises `UserError` if the folder is not a run directory."""
    path = run_dir / CONFIG_FILE
    check_exists(run_dir)
    if not path.is_file():
        raise UserError(f"{run_dir}: no {CONFIG_FILE} there. {where_runs_are(run_dir)}")
    return read_config_file(path)


def check_run_dir(config: TrainConfig) -> None:
    """Raises `UserError` unless `config` may write in its workdir.

    It may write if the folder is new or empty; if a run there ended before its first checkpoint;
    with `resume` in its own run; and with `overwrite` in place of any run.
    """
    if config.overwrite and config.resume:
        raise UserError("--overwrite starts anew and --resume continues: leave one of them out.")
    run_dir = Path(config.workdir or "")
    check_place(run_dir)
    _refuse_live_runs(run_dir, _run_dirs(run_dir))
    _check_content(config)


def check_place(run_dir: Path) -> None:
    """Raises `UserError` for a path in which Orbax cannot read its own checkpoints.

    Orbax finds the arrays of all processes by a pattern that begins with the path of the folder,
    and brackets and backslashes have a special meaning in patterns.
    """
    path = str((run_dir / "checkpoints").resolve())
    if special := re.search(r"\[.+?\]|\\", path):
        raise UserError(
            f"--workdir={run_dir}: {special[0]!r} in the path of a run makes its checkpoints"
            " unreadable. Nothing was written; give a path without brackets and backslashes."
        )


def holds_results(run_dir: Path) -> bool:
    """Returns whether a run, or one of a series of seeds and folds, has a checkpoint or a report.

    If both are missing, the run ended before it had a result to keep.
    """
    return any(
        (folder / "report.json").is_file() or saved_steps(folder / "checkpoints")
        for folder in _run_dirs(run_dir)
    )


def _run_dirs(run_dir: Path) -> list[Path]:
    """Returns a run directory and the run directories of seeds and folds in it."""
    patterns = ("seed_*", "fold_*", "seed_*/fold_*")
    return [run_dir, *(path for pattern in patterns for path in run_dir.glob(pattern))]


def _refuse_live_runs(run_dir: Path, folders: Iterable[Path]) -> None:
    """Raises `UserError` if a process holds the lock of one of the folders."""
    if any(map(is_training, folders)):
        raise _in_use(run_dir)


def is_training(run_dir: Path) -> bool:
    """Returns whether a process holds the lock of a run directory; nothing is written."""
    try:
        with open(run_dir / _LOCK_FILE) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # no lock file, or this user may not read it; taking the lock reports that
    return False


def _in_use(run_dir: Path) -> UserError:
    return UserError(
        f"--workdir={run_dir}: another run is writing there. Wait for it, or give another."
    )


def lasting_entries(run_dir: Path) -> list[Path]:
    """Returns the entries of a run directory without its lock and half-written files.

    A process that is killed during its first write leaves only a temporary file.
    """
    return [path for path in whole_entries(run_dir) if path.name != _LOCK_FILE]


def _check_content(config: TrainConfig) -> None:
    """Raises `UserError` if `config` may neither continue nor replace what its workdir contains."""
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
        other = f" on {old.data_dir}" if old.data_dir != _config_to_store(config).data_dir else ""
        raise UserError(
            f"--workdir={run_dir} already holds this run{other}. Nothing was written; add --resume"
            f" to continue it, or {ways}."
        )


@contextlib.contextmanager
def locked_run_dir(config: TrainConfig) -> Iterator[Path]:
    """Creates the workdir, writes its config.json and holds its lock; yields its path.

    In a multi-process run process 0 does this for all processes.

    Raises:
      UserError: another run is writing there, or the folder cannot be made.
    """
    with contextlib.ExitStack() as stack:
        on_first(lambda: stack.enter_context(_locked(config)))
        yield Path(config.workdir or "")


@contextlib.contextmanager
def _locked(config: TrainConfig) -> Iterator[None]:
    run_dir = Path(config.workdir or "")
    with contextlib.ExitStack() as stack:
        stack.enter_context(run_dir_lock(run_dir))
        # Checked again: another process may have trained here since the first check.
        _check_content(config)
        if config.overwrite and holds_results(run_dir):
            _refuse_live_runs(run_dir, _run_dirs(run_dir)[1:])
            move_aside(run_dir, "run")
            stack.enter_context(run_dir_lock(run_dir))
        # Half-written files of a process that was killed.
        for half_written in run_dir.glob(".*.tmp"):
            half_written.unlink(missing_ok=True)
        stack.enter_context(_config_restored_on_error(run_dir))
        write_atomically(run_dir / CONFIG_FILE, config_to_json(_config_to_store(config)).encode())
        yield


@contextlib.contextmanager
def _config_restored_on_error(run_dir: Path) -> Iterator[None]:
    """Restores the old config.json if a resumed run raises an error before its first save.

    Otherwise the config of a finished run that could not be lengthened would state epochs that the
    run does not have, and the run's own command would be refused.
    """
    path, steps = run_dir / CONFIG_FILE, saved_steps(run_dir / "checkpoints")
    old_text = path.read_bytes() if steps and path.is_file() else None
    try:
        yield
    except BaseException:
        if old_text is not None and saved_steps(run_dir / "checkpoints") == steps:
            with contextlib.suppress(OSError, UserError):  # the first error is the one to report
                write_atomically(path, old_text)
        raise


def _config_to_store(config: TrainConfig) -> TrainConfig:
    """Returns the config for config.json: with absolute paths, and without `overwrite`."""
    paths = {name: getattr(config, name) for name in ("data_dir", "cache_dir")}
    absolute = {name: os.path.abspath(path) for name, path in paths.items() if path}
    return replace(config, overwrite=False, **absolute)


@contextlib.contextmanager
def run_dir_lock(run_dir: Path) -> Iterator[None]:
    """Holds the lock of a run directory; a missing directory is created.

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
            raise _in_use(run_dir) from None
        yield
