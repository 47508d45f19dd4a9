"""Several processes on one machine that share a study, and the one that waits for them."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.config.tool_configs import SearchConfig
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm
from ferjax.search.optuna_study import import_optuna, open_study
from ferjax.search.run_search import show
from ferjax.search.search_plan import WORKERS, Search, check_study, plan_search
from ferjax.search.study_summary import trial_rows
from ferjax.training.interrupt_signals import ending_as_ctrl_c

_LOOK_SECONDS = 1.0


def run_workers(
    config: SearchConfig, given: Mapping[str, Any], command: Sequence[str]
) -> dict[str, Any]:
    """Searches in `config.workers` processes; returns the report, with its `path`.

    What a worker prints goes to OUT/workers/. On a GPU each worker gets its share of the memory.

    Args:
      config: how to search.
      given: `TrainConfig` fields set explicitly: those of every trial.
      command: starts one worker.

    Raises:
      UserError: as `run.run_search`, or a worker died.
      KeyboardInterrupt: stopped by the user, and so are the workers.
    """
    import_optuna()
    search = plan_search(config, given)
    check_study(search)
    with _started(search, command) as children, _bar(search) as bar:
        while any(child.poll() is None for child in children):
            time.sleep(_LOOK_SECONDS)
            _raise_error(search, children)
            if check_study(search):
                show(bar, trial_rows(search, open_study(search)))
    _raise_error(search, children)
    path = search.out / "report.json"
    rows = trial_rows(search, open_study(search)) if check_study(search) else []
    dead = [k for k, child in enumerate(children, 1) if child.returncode]
    # What one worker left, another has gone on with.
    if dead and sum(row["state"] != "running" for row in rows) < config.trials:
        raise UserError(
            f"worker {dead[0]} ended with status {children[dead[0] - 1].returncode}; what it said"
            f" stands in {_log(search, dead[0])}. The same command goes on from here."
        )
    report = json.loads(path.read_text(encoding="utf-8"))
    return {**report, "path": str(path.with_suffix(".md"))}


def _log(search: Search, number: int) -> Path:
    return search.out / WORKERS / f"worker_{number}.log"


def _raise_error(search: Search, children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Raises the user's error that a worker ended with, if one did."""
    for number, child in enumerate(children, 1):
        if child.poll() == 1:
            said = _log(search, number).read_text(encoding="utf-8", errors="replace")
            last = said.strip().rpartition("\n")[2]
            if last.startswith("error: "):
                raise UserError(f"worker {number}: {last.removeprefix('error: ')}")


def _bar(search: Search) -> Any:
    shown = None if search.base.progress else True
    return tqdm(total=search.config.trials, desc="trials", unit="trial", disable=shown)


@contextlib.contextmanager
def _started(search: Search, command: Sequence[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Starts the workers; whatever ends the block early stops them, at a step's end, and waits."""
    count, children = search.config.workers, []
    environment = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / count:.3f}", **os.environ}
    try:
        _log(search, 1).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out={search.out} cannot be written: {error.strerror}.") from None
    with ending_as_ctrl_c():
        try:
            for number in range(1, count + 1):
                with open(_log(search, number), "ab") as log:
                    # A session of its own: Ctrl-C on the terminal reaches it by way of this process
                    # alone, once.
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
            _stop(children)
            raise


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Asks the workers to save and end; asked again, ends them at once."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        for child in children:
            if child.poll() is None:
                child.send_signal(how)
        with contextlib.suppress(KeyboardInterrupt):
            for child in children:
                child.wait()
            return
