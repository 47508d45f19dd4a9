"""`--epochs=+5`: train a finished run, or a finished series of runs, some epochs longer."""

import dataclasses
import os
import re
from pathlib import Path

from ferjax.config.fields import values_of
from ferjax.config.given_files import fitting_values, read_json_object
from ferjax.config.json_file import config_of_report, read_config_file, resume_conflicts
from ferjax.config.phases import phases_of, total_epochs
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError

# Where the single runs of a series lie; a single run lies in the directory itself.
_PARTS = ("seed_*/fold_*", "seed_*", "fold_*", ".")


def in_default_workdir(config: TrainConfig) -> TrainConfig:
    """Returns the config with the directory of the run that it lengthens, whatever its epochs.

    Default names contain the epochs that were given, so that a run is known by its other settings.

    Args:
      config: of the run, with the default workdir of other epochs, which stays if there is no run.

    Raises:
      UserError: several runs differ in epochs only.
    """
    named = Path(config.workdir or "")
    prefix = f"{config.model}-{config.dataset}-{config.recipe}-s"
    found = [
        path.parent
        for path in sorted(named.parent.glob(f"{prefix}*/config.json"))
        if _differs_in_epochs_only(path, config)
    ]
    if len(found) > 1:
        raise UserError(
            "--epochs=+N: these runs have other epochs, all else is the same:"
            f" {', '.join(map(str, found))}. Name one as --workdir."
        )
    return dataclasses.replace(config, workdir=str(found[0] if found else named))


def _differs_in_epochs_only(path: Path, config: TrainConfig) -> bool:
    try:
        own = read_config_file(path)
        same_length = dataclasses.replace(config, epochs=own.epochs)
    except UserError:  # of another version, or phases that do not fit
        return False
    return _place(own) == _place(config) and not resume_conflicts(own, same_length)


def _place(config: TrainConfig) -> str | None:
    return os.path.abspath(config.data_dir) if config.data_dir else None


def lengthened(config: TrainConfig, more: str) -> TrainConfig:
    """Returns the config with the epochs of its finished run and some more in the last phase.

    The epochs are counted from the last report, so the same command continues a lengthening that
    was interrupted.

    Args:
      config: of the run, with its workdir; its epochs are not used.
      more: `+` and a number.

    Raises:
      UserError: `more` is something else, the run is not finished, or its schedule has an end.
    """
    flag, run_dir = f"--epochs={more}", Path(config.workdir or "")
    if not re.fullmatch(r"\+[1-9]\d*", more):
        raise UserError(f"{flag}: a number of epochs, or +N to train a finished run N longer.")
    if not config.resume:
        raise UserError(f"{flag} trains a finished run longer, so it needs --resume.")
    parts = [sorted(run_dir.glob(f"{part}/config.json")) for part in _PARTS]
    runs = [path.parent for path in next(filter(None, parts), [])]
    if not runs:
        raise UserError(
            f"{flag}: {run_dir} holds no run to train longer. Give the run's directory as"
            " --workdir, or a number of epochs without +."
        )
    for run in runs:
        if not (run / "report.json").is_file():
            raise UserError(f"{flag}: {run} is not finished. --resume without {flag} continues it.")
    again = "`launch.evaluate --workdir=RUN` writes it again."
    reports = {run: read_json_object(run / "report.json", again) for run in runs}
    configs = {run: config_of_report(report, f"{run}") for run, report in reports.items()}
    run, own = min(configs.items(), key=lambda item: total_epochs(item[1]))
    schedule = phases_of(own)[-1].schedule
    if schedule != "constant":
        raise UserError(
            f"{flag}: the learning rate of {run_dir} has ended with its schedule {schedule}; only a"
            " constant one can go on. A new run can start from this one:"
            f" --pretrained={run} --epochs={more[1:]} with another --workdir."
        )
    with fitting_values(run / "report.json", again):
        ended = reports[run]["results"]["val"]["last"]["epoch"] < total_epochs(own)
    if ended:
        raise UserError(
            f"{flag}: {run} was ended early by --patience={own.patience} and would end at once. A"
            f" new run can start from it: --pretrained={run} with another --workdir."
        )
    *before, last = values_of(own.epochs)
    epochs = (*before, last + int(more))
    return dataclasses.replace(config, epochs=epochs if before else epochs[0])
