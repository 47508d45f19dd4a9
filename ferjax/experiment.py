"""Train and evaluate: `run_train` and `run_evaluate`, the entry points of the package."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferjax.config.field_combinations import check_one_network, doubled_corrections
from ferjax.config.fields import values_of
from ferjax.config.given_files import read_json_object
from ferjax.config.json_file import config_of_report
from ferjax.config.phases import total_epochs
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.class_counts import absent_class_warnings
from ferjax.data.splits.describe_bundle import describe_bundle
from ferjax.errors import UserError
from ferjax.evaluation.judged_runs import run_folders
from ferjax.images.augment import find_augmentation
from ferjax.recipes.lengthen_run import ended_early
from ferjax.runs.cached_features import check_feature_cache
from ferjax.runs.finished_runs.load_network import named_card
from ferjax.runs.finished_runs.seeds_and_folds import configs_of_series, train_series
from ferjax.runs.recorded_splits import NOT_RECORDED, check_splits, keep_splits
from ferjax.runs.task import Task, prepare_task
from ferjax.runs.train_phases import Watch, train_run
from ferjax.runtime.processes import is_first, on_first
from ferjax.runtime.progress_lines import say
from ferjax.runtime.sharding import Devices, devices_for
from ferjax.training.losses import find_loss
from ferjax.training.run_directory.config_and_lock import check_run_dir, locked_run_dir, read_config
from ferjax.training.run_directory.ended_early import cannot_be_lengthened
from ferjax.training.run_directory.find_runs import check_is_run
from ferjax.training.run_directory.splits_file import read_split_record
from ferjax.training.step_settings import check_loss_fits

_log = logging.getLogger(__name__)


def run_train(
    config: TrainConfig, devices: Devices | None = None, watch: Watch | None = None
) -> dict[str, Any]:
    """Trains, or resumes, and reports; returns the report, with its `path`.

    Args:
      config: from `ferjax.recipes.resolve`. With `seeds` or `folds`, one run is trained for each,
        and a joint report is written.
      devices: devices to train on; None for all devices of all hosts.
      watch: called with epoch and val accuracy after every evaluation and its save; an exception
        that it raises ends the run.

    Raises:
      UserError: anything in config or data that cannot work, or a loss that is not finite.
      KeyboardInterrupt: stopped by the user; the state has been saved.
    """
    _check_directory(config, devices)
    if config.resume:
        on_first(lambda: _check_lengthening(config))
    return _train(config, devices, watch)


def _train(config: TrainConfig, devices: Devices | None, watch: Watch | None) -> dict[str, Any]:
    if configs_of_series(config)[1]:

        def train_one(run: TrainConfig) -> dict[str, Any]:
            _check_directory(run, devices)
            return _train(run, devices, watch)

        return train_series(config, train_one)
    if config.resume and (finished := on_first(lambda: _finished_report(config))):
        return finished
    say(f"reading {config.dataset}", config.progress)
    task = prepare_run(config, devices)
    # A search describes the data once, before its trials.
    _describe_task(task, described=watch is not None)
    check_feature_cache(task)
    with locked_run_dir(config) as run_dir:
        keep_splits(config, task.bundle, run_dir)
        train_run(task, run_dir, watch)
        say("evaluating the last and the selected epoch for the report", config.progress)
        # Imported here because its figures need half a second, which would delay the first step.
        from ferjax.evaluation.run_report import report_run

        return report_run(task, run_dir)


def _check_directory(config: TrainConfig, devices: Devices | None) -> None:
    """Raises `UserError` if the run directory is in use; errors in the settings are raised first.

    The user has to correct the settings for any other directory too. An existing series is moved
    aside only if the new settings can be trained.
    """
    first, is_series = config, False
    while runs := configs_of_series(first)[1]:
        first, is_series = next(iter(runs.values())), True
    try:
        on_first(lambda: check_run_dir(config))
    except UserError:
        prepare_task(first, devices)
        raise
    if is_series and config.overwrite:
        prepare_task(first, devices)


def _single_runs(config: TrainConfig) -> list[TrainConfig]:
    """Returns the config of each run of a series of seeds and folds, or the config itself."""
    runs = configs_of_series(config)[1].values()
    return [one for run in runs for one in _single_runs(run)] if runs else [config]


def _check_lengthening(config: TrainConfig) -> None:
    """Raises `UserError` if more epochs are given and `--patience` has ended every run.

    In a series the runs that it has not ended are trained longer. The others stay as they are: with
    more epochs from the first on they would have ended at the same epoch.
    """
    runs = _single_runs(config)
    if all(map(cannot_be_lengthened, runs)):
        flag = f"--epochs={','.join(map(str, values_of(config.epochs)))}"
        raise ended_early(flag, Path(runs[0].workdir or ""), config.patience)


def _describe_task(task: Task, *, described: bool) -> None:
    """Prints the classes, counts and notes of the data, and warns about doubtful settings.

    With `described`, only the warnings are logged.
    """
    if not described:
        if task.config.pretrained:
            say(f"initial weights: {task.config.pretrained}", task.config.progress)
        for line in describe_bundle(task.config.dataset, task.bundle):
            say(line, task.config.progress)
    if is_first():
        for sentence in doubled_corrections(task.config):
            _log.warning("note: %s", sentence)
        for warning in absent_class_warnings(task.bundle.splits, task.bundle.classes):
            _log.warning("warning: %s", warning)


def prepare_run(config: TrainConfig, devices: Devices | None = None) -> Task:
    """Returns the task of a new or resumed run, after comparing its images with their record.

    Raises:
      UserError: as `prepare_task`; or the loss does not fit the augmentation; or the images have
        changed since the run, or another run of its series, began.
    """
    # Not in `prepare_task`, which also prepares the evaluation of runs that were trained before.
    check_loss_fits(find_loss(config.loss), find_augmentation(config.augment))
    task = prepare_task(config, devices)
    return replace(task, bundle=check_splits(config, task.bundle))


def _finished_report(config: TrainConfig) -> dict[str, Any] | None:
    """Returns the report of a finished run that matches the config, or None."""
    path = Path(config.workdir or "") / "report.json"
    if not path.is_file():
        return None
    report = read_json_object(
        path, f"`launch.evaluate --workdir={config.workdir}` writes it again."
    )
    finished = config_of_report(report, str(path))
    if total_epochs(finished) < total_epochs(config) or finished.tta != config.tta:
        return None
    return {**report, "path": str(path.with_suffix(".md"))}


def run_evaluate(config: EvalConfig) -> dict[str, Any]:
    """Evaluates a run, or a recogniser that comes with ferjax; returns the report with its `path`.

    It also prints the evaluated networks and data, the notes and the warnings.

    Without data set, folder, split and test-time augmentation, and with the selected checkpoint,
    the run's own report is written again. Otherwise the report goes to a folder in
    RUN/evaluations/, whose name states data, split, augmentation and checkpoint. The report on
    several runs, whose probabilities are averaged, goes to a folder in evaluations/. No evaluation
    overwrites the evaluation of other images or parameters.

    Raises:
      UserError: no such run, split or data, or no class in common.
    """
    from ferjax.evaluation.run_report import report_run
    from ferjax.evaluation.split_report import report_split

    check_one_network(config)
    if config.weights:
        if named_card(config.weights) is None:
            raise UserError(
                f"--weights={config.weights} is no weights file of launch.export. Give a run as"
                f" --workdir={config.weights}."
            )
        report = report_split(config)
        _describe_evaluation(report)
        return report
    if not config.workdir:
        raise UserError(
            "--workdir is missing: the folder of a ferjax run; or give --weights=fernet-ferplus, a"
            " recogniser that comes with ferjax."
        )
    folders = run_folders(config.workdir)
    if len(folders) > 1:
        report = report_split(config)
        _describe_evaluation(report)
        return report
    run_dir = Path(config.workdir)
    run_config = read_config(run_dir)
    # Checked before the data are read: a series of seeds or folds has a config.json too.
    check_is_run(run_dir)
    if (
        not (config.dataset or config.data_dir)
        and run_config.data_dir
        and not Path(run_config.data_dir).exists()
    ):
        raise UserError(
            f"{run_dir} was trained on {run_config.data_dir}, which is not there, seen from this"
            " folder. Give its place as --data_dir."
        )
    data_flags = (config.dataset, config.data_dir, config.split, config.on_bad_image)
    if not any(data_flags) and (config.tta, config.checkpoint) == ("none", "selected"):
        # The run may have been moved since it was trained.
        run_config = replace(run_config, progress=config.progress, workdir=str(run_dir))
        recorded = read_split_record(run_dir)
        task = prepare_task(run_config, devices_for(run_config.batch_size), recorded)
        out = Path(config.out) if config.out else None
        report = report_run(task, run_dir, [] if recorded else [NOT_RECORDED], out)
    else:
        report = report_split(config)
    _describe_evaluation(report)
    return report


def _describe_evaluation(report: dict[str, Any]) -> None:
    """Prints what was evaluated, the notes, the warnings, and which images were trained on."""
    for description in report["judged"]:
        say(f"judged: {description}")
    for note in report["notes"]:
        say(f"note: {note}")
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    trained_on = report["protocol"].get("images trained on", [])
    for line in [trained_on] if isinstance(trained_on, str) else trained_on:
        say(f"images trained on: {line}")
