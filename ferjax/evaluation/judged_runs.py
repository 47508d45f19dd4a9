"""The networks that an evaluation judges: one, or several runs whose probabilities are averaged."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.given_files import read_json_object
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.split import Split
from ferjax.data.splits.split_record import SplitRecord
from ferjax.errors import UserError
from ferjax.evaluation.evaluated_data import EvaluatedData, load_evaluated_data
from ferjax.evaluation.run_evaluator import run_evaluator
from ferjax.runs.load_network import load_network, network_config
from ferjax.runs.load_run import LoadedRun, check_probabilities
from ferjax.training.run_directory.config_and_lock import read_config
from ferjax.training.run_directory.find_runs import check_is_run
from ferjax.training.run_directory.splits_file import read_split_record


@dataclass(frozen=True)
class JudgedRun:
    """A network that is judged.

    Attributes:
      source: the run directory or weights, for messages and reports.
      run: the network.
      own: the config that it was trained with.
      record: the images that it learned from, or None where they were not recorded.
    """

    source: str
    run: LoadedRun
    own: TrainConfig
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
      UserError: no such run or checkpoint; of several runs one that is not finished, or one with
        other classes.
    """
    if config.weights:
        network = load_network(config.weights, config.checkpoint)
        return [JudgedRun(config.weights, network, network_config(config.weights), None)]
    folders = [Path(folder) for folder in run_folders(config.workdir)]
    owns = [read_config(folder) for folder in folders]
    for folder in folders:
        check_is_run(folder)
        if len(folders) > 1 and not (folder / "report.json").is_file():
            raise UserError(
                f"{folder} is not finished: it has no report.json. Train on with launch.train"
                f" --resume --workdir={folder}, or leave it out of --workdir."
            )
    judged = [
        JudgedRun(
            str(folder), load_network(folder, config.checkpoint), own, read_split_record(folder)
        )
        for folder, own in zip(folders, owns, strict=True)
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
    """Returns the images as each of the networks reads them: the same ones, in the same order.

    Raises:
      UserError: as `load_evaluated_data`, or runs of different data where the flags name none, or
        whose splits hold different images.
    """
    first = judged[0]
    if not config.dataset:
        for other in judged[1:]:
            if other.own.dataset != first.own.dataset:
                raise UserError(
                    f"{first.source} was trained on {first.own.dataset}, and {other.source} on"
                    f" {other.own.dataset}. Name the data to judge them on, as --dataset."
                )
    data = [
        load_evaluated_data(config, each.own, each.run.spec.size, each.record) for each in judged
    ]
    for each, other in zip(judged[1:], data[1:], strict=True):
        if difference := _difference(data[0], other):
            raise UserError(
                f"--workdir: {first.source} and {each.source} judge different images:"
                f" {difference}. Name a split that both have in common, such as --split=test, or"
                " other data, as --dataset and --data_dir."
            )
    return data


def _difference(one: EvaluatedData, other: EvaluatedData) -> str:
    """Returns in which way the images of two splits differ, or nothing."""
    if one.bundle.classes != other.bundle.classes:
        return f"of the classes {', '.join(one.bundle.classes)}; {', '.join(other.bundle.classes)}"
    if len(one.split) != len(other.split):
        return f"{len(one.split):,} and {len(other.split):,} of {one.split.name}"
    if list(one.split.ids) != list(other.split.ids):
        pairs = zip(one.split.ids, other.split.ids, strict=True)
        first = next(f"{a} and {b}" for a, b in pairs if a != b)
        return f"those of {one.split.name} are others, {first} first"
    if (one.split.labels != other.split.labels).any():
        return f"some of {one.split.name} have other labels"
    return ""


def mean_logits(
    judged: Sequence[JudgedRun], splits: Sequence[Split], config: EvalConfig
) -> tuple[np.ndarray, list[Any]]:
    """Returns logits float [N, K] of a split, and the devices that computed them.

    Of several networks they are the logarithms of the mean probabilities, in the order of the first
    network's classes.

    Args:
      judged: the networks.
      splits: the images, as each network reads them.
      config: of the evaluation.

    Raises:
      UserError: probabilities that are not finite.
    """
    classes = judged[0].run.classes
    means, devices = [], []
    for each, split in zip(judged, splits, strict=True):
        logits_of, devices = run_evaluator(
            each.run, each.own.batch_size, config.progress, config.tta
        )
        logits = logits_of(each.run.variables, split)
        if len(judged) == 1:
            return logits, devices
        check_probabilities(logits, each.source)
        powers = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
        order = [each.run.classes.index(name) for name in classes]
        means.append((powers / powers.sum(-1, keepdims=True))[:, order])
    return np.log(np.maximum(np.mean(means, axis=0), np.finfo(np.float64).tiny)), devices


def fit_of_run(
    config: EvalConfig, judged: Sequence[JudgedRun], data: EvaluatedData, classes: Sequence[str]
) -> dict[str, Any] | None:
    """Returns temperature and sets that the run's own report fitted on val, where they apply.

    They do to the selected parameters of one run over all of its classes, without test-time
    augmentation, and not to val itself.
    """
    (first, *others) = judged
    plain = (config.checkpoint, config.tta) == ("selected", "none")
    if others or config.weights or not plain or tuple(classes) != first.run.classes:
        return None
    if data.dataset == first.own.dataset and data.split.name in ("val", "all"):
        return None
    try:
        report = read_json_object(Path(first.source) / "report.json", "")
        fit = report["fitted_on_val"]
    except (UserError, KeyError):  # not finished, or of an earlier version
        return None
    return fit if fit["step"] == first.run.step else None
