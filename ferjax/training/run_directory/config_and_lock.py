"""config.json and the lock of a run directory: whether a config may write or resume there."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from ferjax.config.json_file import config_from_json, config_to_json, resume_conflicts
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.processes import on_first
from ferjax.training.run_directory.find_runs import where_runs_are

CONFIG_FILE = "config.json"
_LOCK_FILE = ".lock"


def read_config(run_dir: Path) -> TrainConfig:
    """Returns the config of a run; raises `UserError` where the folder is no run directory."""
    path = run_dir / CONFIG_FILE
    if not path.is_file():
        raise UserError(f"{run_dir}: no {CONFIG_FILE} there. {where_runs_are(run_dir)}")
    return config_from_json(path.read_text(encoding="utf-8"), str(path))


def check_run_dir(config: TrainConfig) -> None:
    """Raises `UserError` unless `config` may write in its workdir: empty, or its own to resume."""
    run_dir = Path(config.workdir or "")
    if run_dir.exists() and not run_dir.is_dir():
        raise UserError(f"--workdir={run_dir} is a file; a folder is expected.")
    entries = [p for p in run_dir.iterdir() if p.name != _LOCK_FILE] if run_dir.exists() else []
    if not entries:
        return
    if not (run_dir / CONFIG_FILE).is_file():
        raise UserError(
            f"--workdir={run_dir} holds {len(entries)} other entries ({entries[0].name} ...) and no"
            " ferjax run. Nothing was written; give an empty or a new folder."
        )
    conflicts = resume_conflicts(read_config(run_dir), config)
    if conflicts:
        raise UserError(
            f"--workdir={run_dir} holds a run with another configuration"
            f" ({'; '.join(conflicts)}). Nothing was written; give another --workdir, or the run's"
            " own settings with --resume."
        )
    if not config.resume:
        raise UserError(
            f"--workdir={run_dir} already holds this run. Nothing was written; add --resume to"
            " continue it, or give another --workdir."
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
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = open(run_dir / _LOCK_FILE, "a")  # noqa: SIM115 (held for the whole run)
    except OSError as error:
        raise UserError(f"--workdir={run_dir} cannot be written: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"--workdir={run_dir}: another run is writing there. Wait for it, or give another."
            ) from None
        # Half-written files of a process that was killed.
        for torn in run_dir.glob(".*.tmp"):
            torn.unlink(missing_ok=True)
        write_atomically(run_dir / CONFIG_FILE, config_to_json(config).encode())
        yield
