"""Evaluate runs on one split, or all images, of any data set; write that evaluation's report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.registered_names import find
from ferjax.config.tool_configs import EvalConfig
from ferjax.data.registry import DATASETS
from ferjax.data.splits.class_counts import absent_class_warnings, describe_counts
from ferjax.data.splits.protocols.registry import protocol_rows, stamp, stamped_summary
from ferjax.data.splits.split import Split, subset
from ferjax.errors import UserError
from ferjax.evaluation.describe_networks import (
    describe_networks,
    evaluations_folder,
    title_of,
)
from ferjax.evaluation.evaluated_data import ALL, EvaluatedData
from ferjax.evaluation.evaluation_folder import check_writable, evaluation_folder, inputs_digest
from ferjax.evaluation.judged_runs import (
    JudgedRun,
    fit_of_run,
    load_judged_runs,
    load_shared_data,
    mean_logits,
)
from ferjax.evaluation.predictions_csv import COLUMNS, write_predictions_csv
from ferjax.evaluation.protocol import summarise
from ferjax.evaluation.renumbered_labels import renumbering_warnings
from ferjax.evaluation.scores_and_figures import judged_results, mistakes_figure, split_figures
from ferjax.evaluation.seen_in_training import describe_seen, describe_seen_by_weights
from ferjax.report.environment import describe_environment
from ferjax.report.pages.report_files import write_report
from ferjax.runs.finished_runs.load_run import check_probabilities
from ferjax.runtime.processes import on_first
from ferjax.runtime.progress_lines import say
from ferjax.training.metrics import Evaluation, evaluation, restrict_classes


@dataclass(frozen=True)
class _SplitEvaluation:
    """An evaluation and the images that it was computed on.

    Attributes:
      judged: the networks; the probabilities of several are averaged.
      data: the requested data.
      split: the images that were scored.
      classes: the classes that were scored.
      result: the evaluation over these classes.
      notes: remarks on the scored images and classes, for the report.
      devices: the devices that computed it.
      trained_on: for each network, how many of the images it was trained on, in words.
      warnings: warnings that limit what the numbers show.
    """

    judged: Sequence[JudgedRun]
    data: EvaluatedData
    split: Split
    classes: tuple[str, ...]
    result: Evaluation
    notes: list[str]
    devices: list[Any]
    trained_on: list[str]
    warnings: list[str]


def report_split(config: EvalConfig) -> dict[str, Any]:
    """Evaluates networks on a split, or all images, of any data set.

    The probabilities of several runs are averaged. If the class lists differ, only the shared
    classes are scored, with the softmax renormalised over them; images of other classes are counted
    and left out. If only one class is shared, all of the network's classes are scored.

    Returns the report, with the `path` of its report.md.

    Raises:
      UserError: the run, data or split do not exist, there is no common class, the runs cannot be
        averaged, or the folder cannot be written.
    """
    judged = load_judged_runs(config)
    run, dataset = judged[0].run, config.dataset or judged[0].train_config.dataset
    find("dataset", dataset, DATASETS)
    say(f"reading {dataset}", config.progress)
    data_of_runs = load_shared_data(config, judged)
    data, split = data_of_runs[0], data_of_runs[0].split
    _check_shared(data, run.classes)
    on_first(lambda: _check_folder(config, judged))
    say(f"evaluating {len(split):,} images of {split.name}", config.progress)
    logits, devices = mean_logits(judged, [each.split for each in data_of_runs], config)
    shared_logits, labels, is_scored, classes = restrict_classes(
        logits, split.labels, run.classes, data.bundle.classes
    )
    result = evaluation(shared_logits, labels)
    scored_split = subset(split, np.flatnonzero(is_scored))
    check_probabilities(result.probabilities, ", ".join(str(each.source) for each in judged))
    # In files and figures the labels are indexes into the scored classes.
    scored_split = replace(scored_split, labels=result.labels.astype(np.int32), targets=None)
    notes = [*data.bundle.notes]
    if not is_scored.all():
        left_out = subset(split, np.flatnonzero(~is_scored))
        counts = describe_counts(left_out, data.bundle.classes)
        notes.append(f"left out, of classes that the network lacks: {counts}")
    if classes != run.classes:
        true_classes = np.array([run.classes.index(name) for name in classes])[labels]
        accuracy_over_all = (logits[is_scored].argmax(-1) == true_classes).mean()
        notes.append(
            f"scored over the shared classes only: {', '.join(classes)}; over all"
            f" {len(run.classes)} classes of the network the accuracy is"
            f" {100 * accuracy_over_all:.2f} %"
        )
    trained_on, overlap_warnings = _training_overlap(config, judged, data_of_runs, scored_split)
    warnings = [warning for each in data_of_runs for warning in each.warnings]
    warnings += [
        *overlap_warnings,
        *absent_class_warnings({split.name: scored_split}, classes, None),
    ]
    warnings += renumbering_warnings({split.name: result.confusion}, classes)
    warnings = list(dict.fromkeys(warnings))  # a warning of several runs appears once
    evaluated = _SplitEvaluation(
        judged, data, scored_split, classes, result, notes, devices, trained_on, warnings
    )
    return on_first(lambda: _write(config, evaluated))


def _training_overlap(
    config: EvalConfig,
    judged: Sequence[JudgedRun],
    data_of_runs: Sequence[EvaluatedData],
    split: Split,
) -> tuple[list[str], list[str]]:
    """Returns how many of the images each network was trained on, in words, and warnings."""
    texts, warnings = [], []
    for network, data in zip(judged, data_of_runs, strict=True):
        if config.weights:
            text, new_warnings = describe_seen_by_weights(
                network.train_config.dataset, split, data.dataset
            )
        else:
            text, new_warnings = describe_seen(
                network.record, split, data.dataset, is_own=data.is_own
            )
        name = f"{network.source}: " if len(judged) > 1 else ""
        texts.append(name + text)
        warnings += [name + warning for warning in new_warnings]
    return texts, warnings


def _check_shared(data: EvaluatedData, classes: Sequence[str]) -> None:
    """Raises `UserError` if no image is of a class of the network."""
    occurring = {data.bundle.classes[label] for label in np.unique(data.split.labels)}
    if not occurring & set(classes):
        raise UserError(
            f"--dataset={data.dataset}: none of its images in {data.split.name}"
            f" ({', '.join(sorted(occurring))}) shows a class of the run ({', '.join(classes)})."
        )


def _check_folder(config: EvalConfig, judged: Sequence[JudgedRun]) -> None:
    """Raises `UserError` if the report could not be written, before anything is computed."""
    if config.out:
        check_writable(Path(config.out), "Give another --out.")
    else:
        folder = evaluations_folder(config, judged)
        check_writable(folder, "Give --out=DIR, a folder for the report elsewhere.")


def _write(config: EvalConfig, evaluated: _SplitEvaluation) -> dict[str, Any]:
    """Writes the report into the folder of this evaluation; returns it, with its `path`."""
    data, split, split_name = evaluated.data, evaluated.split, evaluated.split.name
    settings = [config.tta] * (config.tta != "none") + ["last"] * (config.checkpoint == "last")
    name = "-".join(filter(None, [data.dataset, data.place, split_name, *settings]))
    out = Path(config.out) if config.out else None
    # The same --out may be given for another run, so the path of the run is one of the inputs.
    # A weights file may be replaced by another of the same name, so its digest is one of them.
    has_several_runs = len(evaluated.judged) > 1
    sources = [
        str(
            each.run.meta.get("sha256")
            or (Path(each.source).resolve() if out or has_several_runs else "")
        )
        for each in evaluated.judged
    ]
    steps = [each.run.step for each in evaluated.judged]
    network_facts = [sources, steps] if has_several_runs else [sources[0], steps[0]]
    inputs = inputs_digest(
        [*network_facts, data.dataset, split_name, settings, evaluated.classes], split
    )
    parent = evaluations_folder(config, evaluated.judged)
    with evaluation_folder(out, parent, name, inputs) as directory:
        report = _report(config, evaluated, directory)
        return {**report, "path": str(write_report(report, directory))}


def _report(config: EvalConfig, evaluated: _SplitEvaluation, directory: Path) -> dict[str, Any]:
    """Returns the report of an evaluation; figures and predictions are written to `directory`."""
    data, split, classes, result = (
        evaluated.data,
        evaluated.split,
        evaluated.classes,
        evaluated.result,
    )
    judged, name, kind = evaluated.judged, evaluated.split.name, config.checkpoint
    place, title = f" ({data.place})" if data.place else "", title_of(evaluated.judged, data, name)
    epochs = [each.run.epoch for each in judged]
    epoch = epochs[0] if len(epochs) == 1 else ", ".join(map(str, epochs))
    fit = fit_of_run(config, judged, data, classes)
    fits = {(name, kind): fit} if fit else {}
    results = judged_results(
        {name: {kind: result}}, classes, {kind: epoch}, {name: split.votes}, fits
    )
    split_source = data.source if name == ALL else name
    description = f"{split_source} of {data.dataset}{place}: {describe_counts(split, classes)}"
    predictions = write_predictions_csv(result, split, classes, directory)
    protocols = [each.train_config.protocol for each in judged]
    return {
        "title": title,
        "summary": stamped_summary(summarise(results), *protocols),
        "judged": [description],
        "protocol": {
            **protocol_rows(*protocols),
            **describe_networks(config, judged),
            "split": f"{name}: {data.source}, {len(split):,} images",
            "judged": description,
            "layout": data.bundle.layout,
            "classes": list(classes),
            "test-time augmentation": config.tta,
            "trained on": ", ".join(dict.fromkeys(each.train_config.dataset for each in judged)),
            "images trained on": evaluated.trained_on
            if len(judged) > 1
            else evaluated.trained_on[0],
            "predictions": f"{predictions}: {COLUMNS}",
        },
        "results": results,
        "config": asdict(config),
        "environment": describe_environment(
            evaluated.devices, sum(each.run.meta["seconds"] for each in judged)
        ),
        "warnings": [*stamp(*protocols), *evaluated.warnings],
        "notes": evaluated.notes,
        "figures": [
            *split_figures(result, classes, directory, name, title, kind),
            mistakes_figure(result, split, classes, directory, title),
        ],
    }
