"""The judged networks: one, or several runs whose probabilities are averaged."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.given_files import fitting_values, read_json_object
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.dataset_table import have_same_faces
from ferjax.data.splits.protocols.registry import selects_on_test
from ferjax.data.splits.split import Split
from ferjax.data.splits.split_record import SplitRecord
from ferjax.errors import UserError
from ferjax.evaluation.evaluated_data import EvaluatedData, load_evaluated_data
from ferjax.evaluation.run_evaluator import run_evaluator
from ferjax.runs.finished_runs.load_network import load_network, network_config
from ferjax.runs.finished_runs.load_run import LoadedRun, check_probabilities
from ferjax.training.run_directory.config_and_lock import read_config
from ferjax.training.run_directory.find_runs import check_is_run
from ferjax.training.run_directory.splits_file import read_split_record


@dataclass(frozen=True)
class JudgedRun:
    """A network that is judged.

    Attributes:
      source: the run directory or weights, for messages and reports.
      run: the network.
      train_config: the config that it was trained with.
      record: the record of its splits, or None where it has none.
    """

    source: str
    run: LoadedRun
    train_config: TrainConfig
    record: SplitRecord | None


def run_folders(workdir: str) -> tuple[str, ...]:
    """Returns the run directories of `--workdir`: one, or several with commas between them.

    Raises:
      UserError: a name is empty, or a run is named twice.
    """
    if "," not in workdir or Path(workdir).exists():
        return (workdir,)
    folders = tuple(os.path.expanduser(part) for part in workdir.split(","))
    if "" in folders:
        raise UserError(f"--workdir={workdir}: a name between the commas is empty.")
    for number, folder in enumerate(folders):
        if Path(folder).resolve() in [Path(other).resolve() for other in folders[:number]]:
            raise UserError(f"--workdir={workdir} names {folder} twice. Each run counts once.")
    return folders


def load_judged_runs(config: EvalConfig) -> list[JudgedRun]:
    """Returns the networks that the flags name, one or more, all with the same classes.

    Raises:
      UserError: no such run or checkpoint; or one of several runs is not finished, or has other
        classes than the first.
    """
    if config.weights:
        network = load_network(config.weights, config.checkpoint)
        return [JudgedRun(config.weights, network, network_config(config.weights), None)]
    folders = [Path(folder) for folder in run_folders(config.workdir)]
    run_configs = [read_config(folder) for folder in folders]
    for folder in folders:
        check_is_run(folder)
        if len(folders) > 1 and not (folder / "report.json").is_file():
            raise UserError(
                f"{folder} is not finished: it has no report.json. Train on with launch.train"
                f" --resume --workdir={folder}, or leave it out of --workdir."
            )
    judged = [
        JudgedRun(
            str(folder),
            load_network(folder, config.checkpoint),
            run_config,
            read_split_record(folder),
        )
        for folder, run_config in zip(folders, run_configs, strict=True)
    ]
    first = judged[0]
    for other in judged[1:]:
        if set(other.run.classes) != set(first.run.classes):
            raise UserError(
                f"--workdir: {first.source} names {', '.join(first.run.classes)}, and"
                f" {other.source} {', '.join(other.run.classes)}. Only networks with the same"
                " classes can be averaged."
            )
    return judged


def load_shared_data(config: EvalConfig, judged: Sequence[JudgedRun]) -> list[EvaluatedData]:
    """Returns the data as each network reads them; images and their order are the same for all.

    Raises:
      UserError: as `load_evaluated_data`; or the runs were trained on different data sets and the
        flags name none; or their splits hold different images.
    """
    first = judged[0]
    if not config.dataset:
        for other in judged[1:]:
            if other.train_config.dataset != first.train_config.dataset:
                raise UserError(
                    f"{first.source} was trained on {first.train_config.dataset}, and"
                    f" {other.source} on {other.train_config.dataset}. Name the data to judge them"
                    " on, as --dataset."
                )
    data = [
        load_evaluated_data(config, each.train_config, each.run.spec.size, each.record)
        for each in judged
    ]
    for other, other_data in zip(judged[1:], data[1:], strict=True):
        if difference := _difference(data[0], other_data):
            raise UserError(
                f"--workdir: {first.source} and {other.source} judge different images:"
                f" {difference}. Name a split that both have in common, such as --split=test, or"
                " other data, as --dataset and --data_dir."
            )
    return data


def _difference(first: EvaluatedData, second: EvaluatedData) -> str:
    """Returns how the images of two splits differ, in words, or an empty text."""
    if first.bundle.classes != second.bundle.classes:
        return (
            f"of the classes {', '.join(first.bundle.classes)}; {', '.join(second.bundle.classes)}"
        )
    if len(first.split) != len(second.split):
        return f"{len(first.split):,} and {len(second.split):,} of {first.split.name}"
    if list(first.split.ids) != list(second.split.ids):
        pairs = zip(first.split.ids, second.split.ids, strict=True)
        first_pair = next(f"{a} and {b}" for a, b in pairs if a != b)
        return f"those of {first.split.name} are others, {first_pair} first"
    if (first.split.labels != second.split.labels).any():
        return f"some of {first.split.name} have other labels"
    return ""


def mean_logits(
    judged: Sequence[JudgedRun], splits: Sequence[Split], config: EvalConfig
) -> tuple[np.ndarray, list[Any]]:
    """Returns logits float [N, K] of a split, and the devices that computed them.

    For several networks they are the logarithms of the mean probabilities; the columns are in the
    order of the first network's classes.

    Args:
      judged: the networks.
      splits: the images, as each network reads them.
      config: the config of the evaluation.

    Raises:
      UserError: probabilities that are not finite.
    """
    classes = judged[0].run.classes
    probabilities, devices = [], []
    for network, split in zip(judged, splits, strict=True):
        logits_of, devices = run_evaluator(
            network.run, network.train_config.batch_size, config.progress, config.tta
        )
        logits = logits_of(network.run.variables, split)
        if len(judged) == 1:
            return logits, devices
        check_probabilities(logits, network.source)
        exponentials = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
        order = [network.run.classes.index(name) for name in classes]
        probabilities.append((exponentials / exponentials.sum(-1, keepdims=True))[:, order])
    return np.log(np.maximum(np.mean(probabilities, axis=0), np.finfo(np.float64).tiny)), devices


def fit_of_run(
    config: EvalConfig, judged: Sequence[JudgedRun], data: EvaluatedData, classes: Sequence[str]
) -> dict[str, Any] | None:
    """Returns the temperature and the sets that the run's report fitted on val, or None.

    They apply only to the selected parameters of a single run, over all of its classes, without
    test-time augmentation, and not to images that they may have been fitted on (`_may_hold_val`).

    Raises:
      UserError: their values in the run's report.json do not fit.
    """
    (first, *others) = judged
    same_settings = (config.checkpoint, config.tta) == ("selected", "none")
    if others or config.weights or not same_settings or tuple(classes) != first.run.classes:
        return None
    if _may_hold_val(first.train_config, data):
        return None
    path = Path(first.source) / "report.json"
    advice = "launch.evaluate --workdir=RUN, without other flags, writes it again."
    try:
        report = read_json_object(path, advice)
        fit = report["fitted_on_val"]
    except (UserError, KeyError):  # the run is not finished, or of an earlier version
        return None
    with fitting_values(path, advice):
        float(fit["temperature"])
        return fit if fit["step"] == first.run.step else None


def _may_hold_val(run_config: TrainConfig, data: EvaluatedData) -> bool:
    """Returns whether judged images may be of the val on which a run fitted its calibration.

    In the run's own data these are val, all, and test where the protocol selects on test. The same
    faces elsewhere, or with other labels, are not divided as in the run: only test is without val,
    unless the run had a protocol or folds.
    """
    split = data.split.name
    if data.is_own:
        return split in ("val", "all") or (split == "test" and selects_on_test(run_config.protocol))
    if data.dataset != run_config.dataset and not have_same_faces(data.dataset, run_config.dataset):
        return False
    return split != "test" or bool(run_config.protocol or run_config.folds)
