"""`--epochs=+5`: train a finished run, or a finished series of runs, some epochs longer."""

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.config.fields import values_of
from ferjax.config.given_files import fitting_values, read_json_object
from ferjax.config.json_file import config_of_report, read_config_file, resume_conflicts
from ferjax.config.phases import phases_of, total_epochs
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError

# Glob patterns of the single runs of a series; the last one is the directory of a single run.
_RUN_PATTERNS = ("seed_*/fold_*", "seed_*", "fold_*", ".")
_ADVICE = "`launch.evaluate --workdir=RUN` writes it again."


def in_default_workdir(config: TrainConfig) -> TrainConfig:
    """Returns the config with the workdir of the run that it lengthens, found by its settings.

    The default name of a workdir may contain the epochs, so the run is recognised by its other
    settings.

    Args:
      config: the config of the run; its default workdir stays if there is no such run.

    Raises:
      UserError: several runs differ in epochs only.
    """
    default = Path(config.workdir or "")
    prefix = f"{config.model}-{config.dataset}-{config.recipe}-s"
    runs = [
        path.parent
        for path in sorted(default.parent.glob(f"{prefix}*/config.json"))
        if _differs_in_epochs_only(path, config)
    ]
    if len(runs) > 1:
        raise UserError(
            "--epochs=+N: these runs have other epochs, all else is the same:"
            f" {', '.join(map(str, runs))}. Name one as --workdir."
        )
    return dataclasses.replace(config, workdir=str(runs[0] if runs else default))


def _differs_in_epochs_only(path: Path, config: TrainConfig) -> bool:
    try:
        run_config = read_config_file(path)
        same_length = dataclasses.replace(config, epochs=run_config.epochs)
    except UserError:  # config.json of another version, or phases that do not fit
        return False
    return _absolute_data_dir(run_config) == _absolute_data_dir(config) and not resume_conflicts(
        run_config, same_length
    )


def _absolute_data_dir(config: TrainConfig) -> str | None:
    return os.path.abspath(config.data_dir) if config.data_dir else None


def ended_early(flag: str, run_dir: Path, patience: int | None) -> UserError:
    """Returns the error of a flag that gives more epochs to a run that `--patience` has ended."""
    return UserError(
        f"{flag}: {run_dir} was ended early by --patience={patience} and would end at once. A new"
        f" run can start from it: --pretrained={run_dir} with another --workdir."
    )


def lengthened(config: TrainConfig, more: str) -> TrainConfig:
    """Returns the config with the epochs of its finished run plus `more` in the last phase.

    The epochs are counted from the last report, so the same command continues after an
    interruption.

    Args:
      config: the config of the run, with its workdir; its epochs are not used.
      more: `+` and a number.

    Raises:
      UserError: `more` has another form, the run is not finished, or its schedule has an end.
    """
    flag, run_dir = f"--epochs={more}", Path(config.workdir or "")
    if not re.fullmatch(r"\+[1-9]\d*", more):
        raise UserError(f"{flag}: a number of epochs, or +N to train a finished run N longer.")
    if not config.resume:
        raise UserError(f"{flag} trains a finished run longer, so it needs --resume.")
    paths = [sorted(run_dir.glob(f"{part}/config.json")) for part in _RUN_PATTERNS]
    runs = [path.parent for path in next(filter(None, paths), [])]
    if not runs:
        raise UserError(
            f"{flag}: {run_dir} holds no run to train longer. Give the run's directory as"
            " --workdir, or a number of epochs without +."
        )
    for run in runs:
        if not (run / "report.json").is_file():
            raise UserError(f"{flag}: {run} is not finished. --resume without {flag} continues it.")
    reports = {run: read_json_object(run / "report.json", _ADVICE) for run in runs}
    configs = {run: config_of_report(report, f"{run}") for run, report in reports.items()}
    run, shortest = min(configs.items(), key=lambda item: total_epochs(item[1]))
    schedule = phases_of(shortest)[-1].schedule
    if schedule != "constant":
        raise UserError(
            f"{flag}: the learning rate of {run_dir} has ended with its schedule {schedule}; only a"
            " constant one can go on. A new run can start from this one:"
            f" --pretrained={run} --epochs={more[1:]} with another --workdir."
        )
    *earlier_epochs, last_epochs = values_of(shortest.epochs)
    # With several phases an earlier one may have ended early: `run_train` finds out.
    if not earlier_epochs and all(_is_short(run, reports[run], configs[run]) for run in runs):
        raise ended_early(flag, run, shortest.patience)
    epochs = (*earlier_epochs, last_epochs + int(more))
    return dataclasses.replace(config, epochs=epochs if earlier_epochs else epochs[0])


def _is_short(run_dir: Path, report: Mapping[str, Any], config: TrainConfig) -> bool:
    """Returns whether a finished run has fewer epochs than its config gives it."""
    with fitting_values(run_dir / "report.json", _ADVICE):
        return report["results"]["val"]["last"]["epoch"] < total_epochs(config)
