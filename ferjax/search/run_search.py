"""The search: claim a trial, train it, write down what is known, until the study is full."""

from collections.abc import Mapping
from typing import Any

from ferjax.config.tool_configs import SearchConfig
from ferjax.experiment import run_train
from ferjax.report.pages.search_files import write_trials_report
from ferjax.runs.task import prepare_task
from ferjax.runtime.progress_bar import tqdm
from ferjax.search.optuna_study import claim, import_optuna, locked, open_study, present
from ferjax.search.run_trial import Prepare, Train, check_settings, run_trial
from ferjax.search.search_plan import LOCK_FILE, plan_search
from ferjax.search.study_summary import best_row, study_report, trial_rows
from ferjax.training.interrupt_signals import ending_as_ctrl_c


def run_search(
    config: SearchConfig,
    given: Mapping[str, Any],
    *,
    train: Train = run_train,
    prepare: Prepare = prepare_task,
) -> dict[str, Any]:
    """Searches, or goes on with a search, and reports; returns the report, with its `path`.

    Args:
      config: how to search; `workers` is not for this function (see `workers.run_workers`).
      given: `TrainConfig` fields set explicitly: those of every trial.
      train: trains one run.
      prepare: finds out whether a config can be trained.

    Raises:
      UserError: settings that cannot work, another study in the folder, or optuna is missing.
      KeyboardInterrupt: stopped by the user; the same call goes on.
    """
    import_optuna()
    search = plan_search(config, given)
    check_settings(search, prepare)
    study = open_study(search)
    total, shown = config.trials, search.base.progress
    with (
        ending_as_ctrl_c(),
        present(search.out) as worker,
        tqdm(total=total, desc="trials", unit="trial", disable=None if shown else True) as bar,
    ):
        while True:
            with locked(search.out / LOCK_FILE):
                rows = trial_rows(search, study)
                report = study_report(search, rows)
                path = write_trials_report(report, search.out)
            show(bar, rows)
            trial = claim(search, study, worker)
            if trial is None:
                return {**report, "path": str(path)}
            run_trial(search, study, trial, train, prepare)


def show(bar: Any, rows: list[dict[str, Any]]) -> None:
    """Brings a progress bar up to date."""
    best = best_row(rows)
    if best:
        bar.set_postfix(best=f"{100 * best['accuracy']:.2f} %", refresh=False)
    bar.update(sum(row["state"] != "running" for row in rows) - bar.n)
