"""Evaluate a run on one split of any data set and write a report of that evaluation."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.errors import UserError, unknown_name
from ferjax.evaluation.protocol import summarise
from ferjax.evaluation.scores_and_figures import confusion_figure, epoch_scores, mistakes_figure
from ferjax.report.environment import describe_environment
from ferjax.report.pages.report_files import write_report
from ferjax.runs.load_run import LoadedRun, load_run
from ferjax.runs.task import evaluator
from ferjax.runtime.processes import on_first
from ferjax.runtime.progress_lines import say
from ferjax.runtime.sharding import data_mesh, devices_for
from ferjax.training.metrics import Evaluation, evaluation, restrict_classes


@dataclass(frozen=True)
class _Found:
    """An evaluation and the images that it was computed on.

    Attributes:
      dataset: name of the data set.
      bundle: the data set.
      split: the images that were scored.
      left_out: number of images of classes that the network does not have.
      classes: classes that network and data set share.
      result: the evaluation over these classes.
      devices: that computed it.
    """

    dataset: str
    bundle: DatasetBundle
    split: Split
    left_out: int
    classes: tuple[str, ...]
    result: Evaluation
    devices: list[Any]


def report_split(config: EvalConfig, own: TrainConfig) -> dict[str, Any]:
    """Evaluates a run's parameters on one split of any data set, under RUN/evaluations/.

    Where the class lists differ the shared classes alone are scored, the softmax renormalised over
    them; images of other classes are counted and left out.

    Returns the report, with the `path` of its report.md.
    """
    run_dir = Path(config.workdir)
    run = load_run(run_dir, config.checkpoint)
    say(f"reading {config.dataset or own.dataset}", config.progress)
    name, bundle = _bundle_to_evaluate(config, own, run)
    wanted = config.split or ("test" if "test" in bundle.splits else "val")
    if wanted not in bundle.splits:
        raise unknown_name(f"--split of {name}", wanted, bundle.splits)
    say(f"evaluating {len(bundle.splits[wanted]):,} images of {wanted}", config.progress)
    split, mesh = bundle.splits[wanted], data_mesh(devices_for(own.batch_size))
    batch_size = -(-own.batch_size // mesh.size) * mesh.size
    logits_of = evaluator(run.model, run.spec, mesh, batch_size, config.progress, config.tta)
    logits, labels, kept, classes = restrict_classes(
        logits_of(run.variables, split), split.labels, run.classes, bundle.classes
    )
    if len(classes) < 2 or not len(labels):
        raise UserError(
            f"--dataset={name}: it shares {len(classes)} of the run's classes"
            f" ({', '.join(run.classes)}) with images in {wanted}; at least 2 are needed."
        )
    shown, left_out = subset(split, np.flatnonzero(kept)), int((~kept).sum())
    result, devices = evaluation(logits, labels), list(mesh.devices.flat)
    found = _Found(name, bundle, shown, left_out, classes, result, devices)
    return on_first(lambda: _write(config, own, run, found))


def _write(config: EvalConfig, own: TrainConfig, run: LoadedRun, found: _Found) -> dict[str, Any]:
    """Writes the report under the run's evaluations/; returns it, with its `path`."""
    run_dir, wanted = Path(config.workdir), found.split.name
    classes, result = found.classes, found.result
    tta = "" if config.tta == "none" else f"-{config.tta}"
    directory = run_dir / "evaluations" / f"{found.dataset}-{wanted}{tta}"
    directory.mkdir(parents=True, exist_ok=True)
    title = f"{own.model}, trained on {own.dataset}, on {found.dataset} {wanted}"
    results = {wanted: {config.checkpoint: epoch_scores(result, classes, run.epoch)}}
    notes = [*found.bundle.notes]
    if found.left_out:
        notes.append(f"{found.left_out:,} images of classes the network lacks were left out")
    if classes != run.classes:
        notes.append(f"scored over the shared classes only: {', '.join(classes)}")
    report = {
        "title": title,
        "summary": summarise(results),
        "protocol": {
            "run": str(run_dir),
            "parameters": f"{config.checkpoint} epoch, {run.epoch}",
            "split": f"{wanted}: {found.bundle.sources[wanted]}, {len(found.split):,} images",
            "layout": found.bundle.layout,
            "classes": list(classes),
            "test-time augmentation": config.tta,
            "trained on": own.dataset,
        },
        "results": results,
        "config": asdict(config),
        "environment": describe_environment(found.devices, run.meta["seconds"]),
        "warnings": [],
        "notes": notes,
        "figures": [
            confusion_figure(result, classes, directory, wanted, title),
            mistakes_figure(result, found.split, classes, directory, title),
        ],
    }
    return {**report, "path": str(write_report(report, directory))}


def _bundle_to_evaluate(
    config: EvalConfig, own: TrainConfig, run: LoadedRun
) -> tuple[str, DatasetBundle]:
    """Returns the data set's name and bundle: the run's own, cut as the run cut it, or another."""
    name = config.dataset or own.dataset
    same = name == own.dataset
    kept = ("num_classes", "labels", "folds", "fold") if same else ()
    bundle = load_dataset(
        name,
        config.data_dir or (own.data_dir if same else None),
        image_size=run.spec.size,
        val_fraction=own.val_fraction,
        split_seed=own.split_seed,
        **{option: getattr(own, option) for option in kept},
    )
    return name, bundle
