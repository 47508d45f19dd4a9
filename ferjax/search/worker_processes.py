"""Worker processes of a search (--workers): starts them, shows progress, stops them on Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.config.given_files import read_json_object
from ferjax.config.tool_configs import SearchConfig
from ferjax.errors import UserError
from ferjax.runtime.child_processes import CHILD
from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.progress_lines import say
from ferjax.search.optuna_study import disk_errors, import_optuna, open_study, set_study_aside
from ferjax.search.run_search import update_progress_bar
from ferjax.search.search_plan import WORKERS, Search, plan_search, study_exists
from ferjax.search.study_summary import ended_trials, new_trial_lines, trial_rows
from ferjax.training.interrupt_signals import ending_as_ctrl_c

_POLL_SECONDS = 1.0


def run_workers(
    config: SearchConfig, given: Mapping[str, Any], command: Sequence[str]
) -> dict[str, Any]:
    """Searches in `config.workers` processes; returns the report, with its `path`.

    The output of a worker goes to OUT/workers/. On a GPU each worker gets an equal share of the
    memory.

    Args:
      config: settings of the search.
      given: `TrainConfig` fields set explicitly, used in every trial.
      command: the command that starts one worker.

    Raises:
      UserError: as for `run_search.run_search`, or a worker died.
      KeyboardInterrupt: stopped by the user; the workers have been stopped too.
    """
    import_optuna()
    search = plan_search(config, given)
    set_study_aside(search)
    reported: set[int] = set()
    if study_exists(search):
        reported |= ended_trials(trial_rows(search, open_study(search)))
    with _worker_processes(search, command) as children, _progress_bar(search) as bar:
        while any(child.poll() is None for child in children):
            time.sleep(_POLL_SECONDS)
            _raise_worker_error(search, children)
            if study_exists(search):
                rows = trial_rows(search, open_study(search))
                update_progress_bar(bar, rows)
                for line in new_trial_lines(rows, search.trials, reported):
                    say(line, search.base.progress)
    _raise_worker_error(search, children)
    path = search.out / "report.json"
    rows = trial_rows(search, open_study(search)) if study_exists(search) else []
    failed = [number for number, child in enumerate(children, 1) if child.returncode]
    # A failed worker is not an error if the other workers have finished its trials.
    if failed and sum(row["state"] != "running" for row in rows) < search.trials:
        raise UserError(
            f"worker {failed[0]} ended with status {children[failed[0] - 1].returncode}; its output"
            f" is in {_log_file(search, failed[0])}. The same command continues the search."
        )
    report = read_json_object(path, "The same command writes it again.")
    return {**report, "path": str(path.with_suffix(".md"))}


def _log_file(search: Search, number: int) -> Path:
    return search.out / WORKERS / f"worker_{number}.log"


def _raise_worker_error(search: Search, children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Raises the `UserError` with which a worker ended, if there is one."""
    for number, child in enumerate(children, 1):
        if child.poll() == 1:
            output = _log_file(search, number).read_text(encoding="utf-8", errors="replace")
            last = output.strip().rpartition("\n")[2]
            if last.startswith("error: "):
                raise UserError(f"worker {number}: {last.removeprefix('error: ')}")


def _progress_bar(search: Search) -> Any:
    disable = None if search.base.progress else True
    return tqdm(total=search.trials, desc="trials", unit="trial", disable=disable)


@contextlib.contextmanager
def _worker_processes(
    search: Search, command: Sequence[str]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Yields started workers; after an error in the block, stops them and waits for their end."""
    count, children = search.config.workers, []
    environment = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / count:.3f}", **os.environ, CHILD: "1"}
    with disk_errors(search):
        _log_file(search, 1).parent.mkdir(parents=True, exist_ok=True)
    with ending_as_ctrl_c(), disk_errors(search):
        try:
            for number in range(1, count + 1):
                with open(_log_file(search, number), "ab") as log:
                    # In a new session Ctrl-C on the terminal reaches the worker only once, through
                    # this process.
                    children.append(
                        subprocess.Popen(
                            command,
                            env=environment,
                            stdin=subprocess.DEVNULL,
                            stdout=log,
                            stderr=subprocess.STDOUT,
                            start_new_session=True,
                        )
                    )
            yield children
        except BaseException:
            _stop_workers(children)
            raise


def _stop_workers(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Asks the workers to save and end; on a second Ctrl-C kills them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for child in children:
            if child.poll() is None:
                child.send_signal(number)
        with contextlib.suppress(KeyboardInterrupt):
            for child in children:
                child.wait()
            return
