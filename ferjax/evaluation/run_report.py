"""Evaluate a run's last and selected checkpoints and write its report with all figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ferjax.data.splits.class_counts import describe_counts
from ferjax.data.splits.protocols.registry import selects_on_test, stamp, stamped_summary
from ferjax.evaluation.calibrated_scores import fit_calibration
from ferjax.evaluation.evaluation_folder import (
    check_out,
    check_writable,
    claim_out,
    inputs_digest,
)
from ferjax.evaluation.network_costs import describe_costs, describe_network
from ferjax.evaluation.predictions_csv import COLUMNS, write_predictions_csv
from ferjax.evaluation.protocol import describe_phases, describe_protocol, summarise, warnings_of
from ferjax.evaluation.scores_and_figures import (
    judged_results,
    mistakes_figure,
    split_figures,
)
from ferjax.evaluation.training_environment import training_environment
from ferjax.images.augment import find_augmentation
from ferjax.images.augmented_input import augment_and_mix
from ferjax.images.preprocess import denormalize
from ferjax.report.environment import describe_process, training_minutes
from ferjax.report.figures.image_grids import draw_batch
from ferjax.report.figures.per_class_curves import draw_per_class
from ferjax.report.figures.training_curves import draw_curves
from ferjax.report.pages.report_files import write_report
from ferjax.runs.finished_runs.load_run import LoadedRun, check_probabilities, load_run
from ferjax.runs.split_evaluator import evaluate_split, evaluator
from ferjax.runs.task import Task, train_batches
from ferjax.runtime.processes import on_first
from ferjax.runtime.random_keys import stream_key
from ferjax.training.metrics import Evaluation
from ferjax.training.run_directory.metrics_jsonl import read_lines


def report_run(
    task: Task, run_dir: Path, warnings: Sequence[str] = (), out: Path | None = None
) -> dict[str, Any]:
    """Evaluates a run's last and selected parameters on val and test and writes its report.

    Args:
      task: the run's task, with the images that it was trained on.
      run_dir: its directory.
      warnings: further warnings, in addition to those that follow from the results.
      out: the folder of the report; None: the run's directory.

    Returns the report, with the `path` of its report.md.

    Raises:
      UserError: `out` holds other files, or the folder cannot be written.
    """
    config = task.config
    runs = {which: load_run(run_dir, which) for which in ("last", "selected")}
    if config.ema is not None:
        raw = {f"raw {which}": load_run(run_dir, which, raw=True) for which in runs}
        # The selected parameters come last: they are the headline.
        runs = {**raw, **runs}
    inputs = inputs_digest([str(run_dir.resolve()), *(run.step for run in runs.values())])
    on_first(lambda: _check_folder(out or run_dir, out, inputs))
    evaluations = _evaluate(task, runs)
    for kinds in evaluations.values():
        for result in kinds.values():
            check_probabilities(result.probabilities, run_dir)

    def write() -> dict[str, Any]:
        if out:
            claim_out(out, inputs)
        return _write_run_report(task, run_dir, out or run_dir, runs, evaluations, warnings)

    return on_first(write)


def _check_folder(folder: Path, out: Path | None, inputs: str) -> None:
    check_writable(folder, "Give --out=DIR, a folder for the report elsewhere.")
    if out:
        check_out(out, inputs)


def _write_run_report(
    task: Task,
    run_dir: Path,
    folder: Path,
    runs: Mapping[str, LoadedRun],
    evaluations: Mapping[str, Mapping[str, Evaluation]],
    warnings: Sequence[str],
) -> dict[str, Any]:
    config, classes = task.config, task.bundle.classes
    epochs = {kind: run.epoch for kind, run in runs.items()}
    votes = {name: task.bundle.splits[name].votes for name in evaluations}
    fits = {
        kind: fit_calibration(result, "val")
        for kind, result in _selected(evaluations["val"]).items()
    }
    # Where test selects, its images are those of val, on which the temperature is fitted.
    has_own_test = not selects_on_test(config.protocol)
    test_fits = {("test", kind): fit for kind, fit in fits.items() if has_own_test}
    results = judged_results(evaluations, classes, epochs, votes, test_fits)
    title = f"{config.model} on {config.dataset}"
    lines, epoch, meta = read_lines(run_dir), runs["selected"].epoch, runs["last"].meta
    draw_curves(lines, folder / "curves.png", epoch, title, meta["starts"])
    draw_per_class(lines, classes, folder / "per_class.png", title)
    _draw_first_batch(task, folder / "batch.png", title)
    figures = [
        {"file": "curves.png", "caption": "Loss and accuracy over the epochs"},
        {"file": "per_class.png", "caption": "Accuracy of each emotion on val over the epochs"},
    ]
    for name, kinds in evaluations.items():
        figures += split_figures(kinds["selected"], classes, folder, name, title)
    mistakes_split = "test" if "test" in evaluations else "val"
    split = task.bundle.splits[mistakes_split]
    figures.append(
        mistakes_figure(evaluations[mistakes_split]["selected"], split, classes, folder, title)
    )
    figures.append(
        {"file": "batch.png", "caption": "The first training batch as the network sees it"}
    )
    predictions = [
        write_predictions_csv(kinds["selected"], task.bundle.splits[name], classes, folder)
        for name, kinds in evaluations.items()
    ]
    origin = list(task.initial_weights.origin) if task.initial_weights else "random initialisation"
    trained_in = training_environment(run_dir, meta)
    here = describe_process(list(task.mesh.devices.flat))
    report = {
        "title": title,
        # The time when training ended; checkpoints of earlier versions lack it.
        **({"finished": meta["saved"]} if "saved" in meta else {}),
        "summary": stamped_summary(summarise(results), config.protocol),
        "protocol": {
            **describe_protocol(config, task.bundle, task.spec, origin),
            "phases": describe_phases(config, task.shapes, task.frozen),
            "course": [*meta["notes"]] or "as planned",
            "predictions": f"{', '.join(predictions)}: {COLUMNS}",
        },
        "judged": [
            f"{name}: {describe_counts(task.bundle.splits[name], classes)}" for name in evaluations
        ],
        "results": results,
        "fitted_on_val": {**fits["selected"], "step": runs["selected"].step},
        "config": asdict(config),
        "environment": {**trained_in, **training_minutes(meta["seconds"])},
        **({} if here == trained_in else {"evaluation_environment": here}),
        "network": describe_network(task.model, task.spec),
        "costs": describe_costs(meta, lines, config.batch_size, task.mesh.size),
        "warnings": [
            *stamp(config.protocol),
            *warnings,
            *warnings_of(config, results, task.bundle),
        ],
        "notes": [note for note in task.bundle.notes if note not in meta["notes"]],
        "figures": figures,
    }
    return {**report, "path": str(write_report(report, folder))}


def _evaluate(task: Task, runs: Mapping[str, LoadedRun]) -> dict[str, dict[str, Evaluation]]:
    """Returns split → checkpoint → evaluation.

    With test-time augmentation there are also entries `<checkpoint>+<tta>`, after the plain ones.
    """
    config = task.config
    # Each checkpoint is evaluated once, even if the last epoch is also the selected one.
    distinct = {(run.step, which.startswith("raw")): run for which, run in runs.items()}
    evaluators = {"": task.logits_of}
    if config.tta != "none":
        size, progress = config.batch_size, config.progress
        evaluators[f"+{config.tta}"] = evaluator(
            task.model, task.spec, task.mesh, size, progress, config.tta
        )
    by_split: dict[str, dict[str, Evaluation]] = {}
    for name in ("val", "test"):
        if split := task.bundle.splits.get(name):
            by_split[name] = {}
            for suffix, logits_of in evaluators.items():
                evaluations = {
                    key: evaluate_split(logits_of, run.variables, split)
                    for key, run in distinct.items()
                }
                by_split[name] |= {
                    which + suffix: evaluations[run.step, which.startswith("raw")]
                    for which, run in runs.items()
                }
    return by_split


def _selected(kinds: Mapping[str, Evaluation]) -> dict[str, Evaluation]:
    """Returns the evaluations of the selected parameters, without and with augmentation."""
    return {kind: each for kind, each in kinds.items() if kind.partition("+")[0] == "selected"}


def _draw_first_batch(task: Task, path: Path, title: str) -> None:
    """Draws the augmented batch of step 0, denormalised for display."""
    config, train = task.config, task.bundle.splits["train"]
    batch = train_batches(config, train)[0]
    key = stream_key(config.seed, "augment", 0)
    augmentation = find_augmentation(config.augment)
    # Without jit each of the many operations would be compiled separately.
    augmented = jax.jit(augment_and_mix, static_argnums=(1, 2))
    inputs, mix = augmented(batch["image"], task.spec, augmentation, key, batch["index"])
    images = np.asarray(denormalize(inputs, task.spec))
    labels, classes = batch["label"], task.bundle.classes
    draw_batch(images, labels, classes, path, f"{title}: a batch", mix)
