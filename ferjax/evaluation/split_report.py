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
from ferjax.runs.load_run import check_probabilities
from ferjax.runtime.processes import on_first
from ferjax.runtime.progress_lines import say
from ferjax.training.metrics import Evaluation, evaluation, restrict_classes


@dataclass(frozen=True)
class _Found:
    """An evaluation and the images that it was computed on.

    Attributes:
      judged: the networks, whose probabilities are averaged where they are several.
      data: what was to be judged.
      split: the images that were scored.
      classes: the classes that were scored.
      result: the evaluation over these classes.
      notes: what of the data was scored, for the report.
      devices: that computed it.
      trained_on: how many of the images the runs were trained on, in words.
      warnings: what a reader must know before believing the numbers.
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

    Of several runs the probabilities are averaged. Where the class lists differ the shared classes
    alone are scored, the softmax renormalised over them; images of other classes are counted and
    left out. Where only one class is shared, all of the network's classes are scored.

    Returns the report, with the `path` of its report.md.

    Raises:
      UserError: no such run, data or split, no class in common, runs that cannot be averaged, or a
        folder that cannot be written.
    """
    judged = load_judged_runs(config)
    run, dataset = judged[0].run, config.dataset or judged[0].own.dataset
    find("dataset", dataset, DATASETS)
    say(f"reading {dataset}", config.progress)
    each_data = load_shared_data(config, judged)
    data, split = each_data[0], each_data[0].split
    _check_shared(data, run.classes)
    on_first(lambda: _check_folder(config, judged))
    say(f"evaluating {len(split):,} images of {split.name}", config.progress)
    logits, devices = mean_logits(judged, [each.split for each in each_data], config)
    scored, labels, kept, classes = restrict_classes(
        logits, split.labels, run.classes, data.bundle.classes
    )
    result, shown = evaluation(scored, labels), subset(split, np.flatnonzero(kept))
    check_probabilities(result.probabilities, ", ".join(str(each.source) for each in judged))
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
    trained_on, seen = _seen(config, judged, each_data, shown)
    warnings = [warning for each in each_data for warning in each.warnings]
    warnings += [*seen, *absent_class_warnings({split.name: shown}, classes, None)]
    warnings += renumbering_warnings({split.name: result.confusion}, classes)
    warnings = list(dict.fromkeys(warnings))  # of several runs once
    found = _Found(judged, data, shown, classes, result, notes, devices, trained_on, warnings)
    return on_first(lambda: _write(config, found))


def _seen(
    config: EvalConfig,
    judged: Sequence[JudgedRun],
    each_data: Sequence[EvaluatedData],
    shown: Split,
) -> tuple[list[str], list[str]]:
    """Returns how many of the images each network was trained on, and warnings."""
    texts, warnings = [], []
    for each, data in zip(judged, each_data, strict=True):
        if config.weights:
            text, found = describe_seen_by_weights(each.own.dataset, shown, data.dataset)
        else:
            text, found = describe_seen(each.record, shown, data.dataset, is_own=data.is_own)
        name = f"{each.source}: " if len(judged) > 1 else ""
        texts.append(name + text)
        warnings += [name + warning for warning in found]
    return texts, warnings


def _check_shared(data: EvaluatedData, classes: Sequence[str]) -> None:
    """Raises `UserError` if no image shows a class of the network."""
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


def _write(config: EvalConfig, found: _Found) -> dict[str, Any]:
    """Writes the report into the folder of this evaluation; returns it, with its `path`."""
    data, split, wanted = found.data, found.split, found.split.name
    how = [config.tta] * (config.tta != "none") + ["last"] * (config.checkpoint == "last")
    name = "-".join(filter(None, [data.dataset, data.place, wanted, *how]))
    out = Path(config.out) if config.out else None
    # A folder elsewhere may be given for several runs.
    # A weights file may be replaced by another of the same name.
    several = len(found.judged) > 1
    where = [
        str(each.run.meta.get("sha256") or (Path(each.source).resolve() if out or several else ""))
        for each in found.judged
    ]
    steps = [each.run.step for each in found.judged]
    whose = [where, steps] if several else [where[0], steps[0]]
    inputs = inputs_digest([*whose, data.dataset, wanted, how, found.classes], split)
    parent = evaluations_folder(config, found.judged)
    with evaluation_folder(out, parent, name, inputs) as directory:
        report = _report(config, found, directory)
        return {**report, "path": str(write_report(report, directory))}


def _report(config: EvalConfig, found: _Found, directory: Path) -> dict[str, Any]:
    """Returns the report of an evaluation; figures and predictions are written to `directory`."""
    data, split, classes, result = found.data, found.split, found.classes, found.result
    judged, name, kind = found.judged, found.split.name, config.checkpoint
    place, title = f" ({data.place})" if data.place else "", title_of(found.judged, data, name)
    epochs = [each.run.epoch for each in judged]
    epoch = epochs[0] if len(epochs) == 1 else ", ".join(map(str, epochs))
    fit = fit_of_run(config, judged, data, classes)
    fits = {(name, kind): fit} if fit else {}
    results = judged_results(
        {name: {kind: result}}, classes, {kind: epoch}, {name: split.votes}, fits
    )
    which = data.source if name == ALL else name
    described = f"{which} of {data.dataset}{place}: {describe_counts(split, classes)}"
    predictions = write_predictions_csv(result, split, classes, directory)
    protocols = [each.own.protocol for each in judged]
    return {
        "title": title,
        "summary": stamped_summary(summarise(results), *protocols),
        "judged": [described],
        "protocol": {
            **protocol_rows(*protocols),
            **describe_networks(config, judged),
            "split": f"{name}: {data.source}, {len(split):,} images",
            "judged": described,
            "layout": data.bundle.layout,
            "classes": list(classes),
            "test-time augmentation": config.tta,
            "trained on": ", ".join(dict.fromkeys(each.own.dataset for each in judged)),
            "images trained on": found.trained_on if len(judged) > 1 else found.trained_on[0],
            "predictions": f"{predictions}: {COLUMNS}",
        },
        "results": results,
        "config": asdict(config),
        "environment": describe_environment(
            found.devices, sum(each.run.meta["seconds"] for each in judged)
        ),
        "warnings": [*stamp(*protocols), *found.warnings],
        "notes": found.notes,
        "figures": [
            *split_figures(result, classes, directory, name, title, kind),
            mistakes_figure(result, split, classes, directory, title),
        ],
    }
