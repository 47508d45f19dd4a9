"""Evaluate a run on one split, or all images, of any data set; write that evaluation's report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.registered_names import find
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import DATASETS
from ferjax.data.splits.class_counts import absent_class_warnings, describe_counts
from ferjax.data.splits.protocols.registry import protocol_rows, stamp, stamped_summary
from ferjax.data.splits.split import Split, subset
from ferjax.errors import UserError
from ferjax.evaluation.evaluated_data import ALL, EvaluatedData, load_evaluated_data
from ferjax.evaluation.evaluation_folder import check_writable, evaluation_folder, inputs_digest
from ferjax.evaluation.predictions_csv import COLUMNS, write_predictions_csv
from ferjax.evaluation.protocol import summarise
from ferjax.evaluation.run_evaluator import run_evaluator
from ferjax.evaluation.scores_and_figures import (
    confusion_figure,
    epoch_scores,
    mistakes_figure,
    reliability_figure,
)
from ferjax.evaluation.seen_in_training import describe_seen, describe_seen_by_weights
from ferjax.report.environment import describe_environment
from ferjax.report.pages.report_files import write_report
from ferjax.runs.load_network import load_network
from ferjax.runs.load_run import LoadedRun, check_probabilities
from ferjax.runtime.processes import on_first
from ferjax.runtime.progress_lines import say
from ferjax.training.metrics import Evaluation, evaluation, restrict_classes
from ferjax.training.run_directory.splits_file import read_split_record


@dataclass(frozen=True)
class _Found:
    """An evaluation and the images that it was computed on.

    Attributes:
      data: what was to be judged.
      split: the images that were scored.
      classes: the classes that were scored.
      result: the evaluation over these classes.
      notes: what of the data was scored, for the report.
      devices: that computed it.
      trained_on: how many of the images the run was trained on, in words.
      warnings: what a reader must know before believing the numbers.
    """

    data: EvaluatedData
    split: Split
    classes: tuple[str, ...]
    result: Evaluation
    notes: list[str]
    devices: list[Any]
    trained_on: str
    warnings: list[str]


def report_split(config: EvalConfig, own: TrainConfig) -> dict[str, Any]:
    """Evaluates a run's parameters on a split, or all images, of any data set.

    Where the class lists differ the shared classes alone are scored, the softmax renormalised over
    them; images of other classes are counted and left out. Where only one class is shared, all of
    the network's classes are scored.

    Returns the report, with the `path` of its report.md.

    Raises:
      UserError: no such data or split, no class in common, or a folder that cannot be written.
    """
    source = config.weights or config.workdir
    run = load_network(source, config.checkpoint)
    record = None if config.weights else read_split_record(Path(config.workdir))
    find("dataset", config.dataset or own.dataset, DATASETS)
    say(f"reading {config.dataset or own.dataset}", config.progress)
    data = load_evaluated_data(config, own, run.spec.size, record)
    _check_shared(data, run.classes)
    on_first(lambda: _check_folder(config))
    say(f"evaluating {len(data.split):,} images of {data.split.name}", config.progress)
    split = data.split
    logits_of, devices = run_evaluator(run, own.batch_size, config.progress, config.tta)
    logits = logits_of(run.variables, split)
    scored, labels, kept, classes = restrict_classes(
        logits, split.labels, run.classes, data.bundle.classes
    )
    result, shown = evaluation(scored, labels), subset(split, np.flatnonzero(kept))
    check_probabilities(result.probabilities, source)
    # Labels index the classes that were scored, in files and figures.
    shown = replace(shown, labels=result.labels.astype(np.int32), targets=None)
    notes = [*data.bundle.notes]
    if not kept.all():
        left_out = subset(split, np.flatnonzero(~kept))
        counts = describe_counts(left_out, data.bundle.classes)
        notes.append(f"left out, of classes that the network lacks: {counts}")
    if classes != run.classes:
        true = np.array([run.classes.index(name) for name in classes])[labels]
        over_all = (logits[kept].argmax(-1) == true).mean()
        notes.append(
            f"scored over the shared classes only: {', '.join(classes)}; over all"
            f" {len(run.classes)} classes of the network the accuracy is {100 * over_all:.2f} %"
        )
    if config.weights:
        trained_on, seen = describe_seen_by_weights(own.dataset, shown, data.dataset)
    else:
        trained_on, seen = describe_seen(record, shown, data.dataset, is_own=data.is_own)
    warnings = [*data.warnings, *seen, *absent_class_warnings({split.name: shown}, classes, None)]
    found = _Found(data, shown, classes, result, notes, devices, trained_on, warnings)
    return on_first(lambda: _write(config, own, run, found))


def _check_shared(data: EvaluatedData, classes: Sequence[str]) -> None:
    """Raises `UserError` if no image shows a class of the network."""
    occurring = {data.bundle.classes[label] for label in np.unique(data.split.labels)}
    if not occurring & set(classes):
        raise UserError(
            f"--dataset={data.dataset}: none of its images in {data.split.name}"
            f" ({', '.join(sorted(occurring))}) shows a class of the run ({', '.join(classes)})."
        )


def _evaluations(config: EvalConfig) -> Path:
    if config.weights:
        return Path("evaluations") / Path(config.weights).stem
    return Path(config.workdir) / "evaluations"


def _check_folder(config: EvalConfig) -> None:
    """Raises `UserError` if the report could not be written, before anything is computed."""
    if config.out:
        check_writable(Path(config.out), "Give another --out.")
    else:
        check_writable(_evaluations(config), "Give --out=DIR, a folder for the report elsewhere.")


def _write(config: EvalConfig, own: TrainConfig, run: LoadedRun, found: _Found) -> dict[str, Any]:
    """Writes the report into the folder of this evaluation; returns it, with its `path`."""
    data, split, wanted = found.data, found.split, found.split.name
    how = [config.tta] * (config.tta != "none") + ["last"] * (config.checkpoint == "last")
    name = "-".join(filter(None, [data.dataset, data.place, wanted, *how]))
    out = Path(config.out) if config.out else None
    # A folder elsewhere may be given for several runs.
    # A weights file may be replaced by another of the same name.
    where = str(run.meta.get("sha256") or (Path(config.workdir).resolve() if out else ""))
    inputs = inputs_digest([where, run.step, data.dataset, wanted, how, found.classes], split)
    with evaluation_folder(out, _evaluations(config), name, inputs) as directory:
        report = _report(config, own, run, found, directory)
        return {**report, "path": str(write_report(report, directory))}


def _judged_network(config: EvalConfig, run: LoadedRun) -> dict[str, str]:
    """Returns which parameters are judged, for the protocol."""
    if config.weights:
        return {"weights": f"{config.weights}, sha256 {run.meta['sha256'][:12]}"}
    return {
        "run": str(Path(config.workdir)),
        "parameters": f"{config.checkpoint} epoch, {run.epoch}",
    }


def _report(
    config: EvalConfig, own: TrainConfig, run: LoadedRun, found: _Found, directory: Path
) -> dict[str, Any]:
    """Returns the report of an evaluation; figures and predictions are written to `directory`."""
    data, split, classes, result = found.data, found.split, found.classes, found.result
    place = f" ({data.place})" if data.place else ""
    title = f"{own.model}, trained on {own.dataset}, on {data.dataset}{place} {split.name}"
    scored = epoch_scores(result, classes, run.epoch, split.votes)
    results = {split.name: {config.checkpoint: scored}}
    which = data.source if split.name == ALL else split.name
    judged = f"{which} of {data.dataset}{place}: {describe_counts(split, classes)}"
    predictions = write_predictions_csv(result, split, classes, directory)
    return {
        "title": title,
        "summary": stamped_summary(own.protocol, summarise(results)),
        "judged": [judged],
        "protocol": {
            **protocol_rows(own.protocol),
            **_judged_network(config, run),
            "split": f"{split.name}: {data.source}, {len(split):,} images",
            "judged": judged,
            "layout": data.bundle.layout,
            "classes": list(classes),
            "test-time augmentation": config.tta,
            "trained on": own.dataset,
            "images trained on": found.trained_on,
            "predictions": f"{predictions}: {COLUMNS}",
        },
        "results": results,
        "config": asdict(config),
        "environment": describe_environment(found.devices, run.meta["seconds"]),
        "warnings": [*stamp(own.protocol), *found.warnings],
        "notes": found.notes,
        "figures": [
            confusion_figure(result, classes, directory, split.name, title, config.checkpoint),
            reliability_figure(result, directory, split.name, title, config.checkpoint),
            mistakes_figure(result, split, classes, directory, title),
        ],
    }
