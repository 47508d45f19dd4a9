"""Runs a hyper-parameter search: claims trials, trains them and updates the report."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ferjax.config.phases import total_epochs
from ferjax.config.tool_configs import SearchConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.describe_bundle import describe_bundle
from ferjax.experiment import prepare_run, run_train
from ferjax.report.pages.search_files import write_trials_report
from ferjax.runs.task import Task
from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.progress_lines import say
from ferjax.search.optuna_study import (
    claim_trial,
    disk_errors,
    file_lock,
    import_optuna,
    open_study,
    set_study_aside,
    worker_lock,
)
from ferjax.search.run_trial import Prepare, Train, check_settings, run_trial
from ferjax.search.search_plan import LOCK_FILE, Search, plan_search
from ferjax.search.study_summary import (
    best_row,
    ended_trials,
    new_trial_lines,
    study_report,
    trial_rows,
)
from ferjax.training.interrupt_signals import ending_as_ctrl_c


def run_search(
    config: SearchConfig,
    given: Mapping[str, Any],
    *,
    train: Train = run_train,
    prepare: Prepare = prepare_run,
    imports: Sequence[str] = (),
) -> dict[str, Any]:
    """Starts or continues a search; returns the report, with its `path`.

    Args:
      config: settings of the search; `workers` is ignored (see `worker_processes.run_workers`).
      given: `TrainConfig` fields set explicitly, used in every trial.
      train: trains one run.
      prepare: raises `UserError` if a config cannot be trained.
      imports: modules of the user that register names, for the command of the best trial.

    Raises:
      UserError: settings that cannot work, another study in the folder, or optuna is missing.
      KeyboardInterrupt: stopped by the user; the same call continues the search.
    """
    import_optuna()
    search = plan_search(config, given, imports)
    task = check_settings(search, prepare)
    if isinstance(task, Task):
        for line in describe_bundle(search.base.dataset, task.bundle):
            say(line)
    set_study_aside(search)
    study = open_study(search)
    with disk_errors(search):
        return _search(search, study, train, prepare)


def _search(search: Search, study: Any, train: Train, prepare: Prepare) -> dict[str, Any]:
    """Runs trials until the study has `search.trials`; returns the report, with its `path`."""
    total, progress = search.trials, search.base.progress
    reported = ended_trials(trial_rows(search, study))
    if reported:
        say(f"{len(reported)} of {total} trials have ended before", progress)
    with (
        ending_as_ctrl_c(),
        worker_lock(search.out) as worker,
        tqdm(total=total, desc="trials", unit="trial", disable=None if progress else True) as bar,
    ):
        while True:
            with file_lock(search.out / LOCK_FILE):
                rows = trial_rows(search, study)
                report = study_report(search, rows)
                path = write_trials_report(report, search.out)
            update_progress_bar(bar, rows)
            for line in new_trial_lines(rows, total, reported):
                say(line, progress)
            trial = claim_trial(search, study, worker)
            if trial is None:
                return {**report, "path": str(path)}
            run_trial(search, study, trial, functools.partial(_train, bar, train), prepare)


def _train(
    bar: Any, train: Train, config: TrainConfig, *, watch: Callable[[int, float], None]
) -> dict[str, Any]:
    """Trains a trial; the bar shows its epoch."""

    def show_and_watch(epoch: int, accuracy: float) -> None:
        bar.set_postfix_str(f"epoch {epoch}/{total_epochs(config)}, val {100 * accuracy:.1f} %")
        watch(epoch, accuracy)

    return train(config, watch=show_and_watch)


def update_progress_bar(bar: Any, rows: list[dict[str, Any]]) -> None:
    """Sets a progress bar to the number of finished trials, with the best val accuracy."""
    best = best_row(rows)
    if best:
        bar.set_postfix(best=f"{100 * best['accuracy']:.2f} %", refresh=False)
    bar.update(sum(row["state"] != "running" for row in rows) - bar.n)
