"""Whether a finished run was ended by `--patience`, so that more epochs would train nothing."""

from pathlib import Path

from ferjax.config.format_versions import upgrade_meta
from ferjax.config.given_files import fitting_values, read_json_object
from ferjax.config.json_file import config_of_report
from ferjax.config.phases import phases_of, total_epochs
from ferjax.config.train_config import TrainConfig
from ferjax.training.run_directory.verified_reads import reading, saved_steps


def cannot_be_lengthened(config: TrainConfig) -> bool:
    """Returns whether `config` gives more epochs to a finished run that `--patience` has ended.

    Its files are read directly, without Orbax, because in a multi-process run only process 0 calls
    this. A run whose lengthening was interrupted is not meant: it has trained since its report, and
    a resume completes it.

    Args:
      config: the config of a single run, with its workdir.

    Raises:
      UserError: its report or its latest checkpoint is damaged.
    """
    run_dir = Path(config.workdir or "")
    path, folder = run_dir / "report.json", run_dir / "checkpoints"
    steps = saved_steps(folder)
    if not config.patience or not path.is_file() or not steps:
        return False
    advice = f"`launch.evaluate --workdir={run_dir}` writes it again."
    report = read_json_object(path, advice)
    if total_epochs(config_of_report(report, str(path))) >= total_epochs(config):
        return False
    with fitting_values(path, advice):
        reported_epoch = int(report["results"]["val"]["last"]["epoch"])
    step = max(steps)
    with reading(folder, step, "meta"):
        values = read_json_object(steps[step] / "meta" / "metadata", "Copy the run again.")
        meta = upgrade_meta(values, str(steps[step]))
        in_last_phase = len(meta["starts"]) == len(phases_of(config))
        trained_since = int(meta["epoch"]) > reported_epoch
        waited = int(meta["waited"][0])
    return in_last_phase and not trained_since and waited >= config.patience
