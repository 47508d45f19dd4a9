"""Evaluate checkpoints and write what they showed: scores, pictures, protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.augment import AUGMENTS, draw
from ferjax.config import EvalConfig, TrainConfig
from ferjax.data.registry import load_dataset
from ferjax.data.split import DatasetBundle, Split, subset
from ferjax.errors import UserError, unknown_name
from ferjax.predict import LoadedRun, load_run
from ferjax.preprocess import denormalize, prepare
from ferjax.processes import on_first
from ferjax.protocol import describe_phases, describe_protocol, summarise, warnings_of
from ferjax.report.confusion import draw_confusion
from ferjax.report.curves import draw_curves
from ferjax.report.document import write_report
from ferjax.report.environment import describe_environment
from ferjax.report.grids import draw_batch, draw_mistakes
from ferjax.report.per_class import draw_per_class
from ferjax.report.scores import scores
from ferjax.rng import stream_key
from ferjax.sharding import data_mesh, devices_for
from ferjax.task import Task, evaluate_split, evaluator, train_batches
from ferjax.train.metrics import Evaluation, evaluation, restrict_classes
from ferjax.train.writer import read_lines

_MISTAKES = 24


def assess_run(task: Task, run_dir: Path) -> dict[str, Any]:
    """Evaluates a run's last and selected parameters on val and test and writes its report.

    Returns the report, with the `path` of its report.md.
    """
    config = task.config
    runs = {which: load_run(run_dir, which) for which in ("last", "selected")}
    if config.ema is not None:
        raw = {f"raw {which}": load_run(run_dir, which, raw=True) for which in runs}
        # What is selected stands last: it is the headline.
        runs = {**raw, **runs}
    found = _evaluate(task, runs)
    return on_first(lambda: _write_run_report(task, run_dir, runs, found))


def _write_run_report(
    task: Task,
    run_dir: Path,
    runs: Mapping[str, LoadedRun],
    found: Mapping[str, Mapping[str, Evaluation]],
) -> dict[str, Any]:
    config, classes = task.config, task.bundle.classes
    results = {
        name: {k: _scores(e, classes, runs[k.partition("+")[0]].epoch) for k, e in kinds.items()}
        for name, kinds in found.items()
    }
    title = f"{config.model} on {config.dataset}"
    lines, epoch, meta = read_lines(run_dir), runs["selected"].epoch, runs["last"].meta
    draw_curves(lines, run_dir / "curves.png", epoch, title, meta["starts"])
    draw_per_class(lines, classes, run_dir / "per_class.png", title)
    _draw_first_batch(task, run_dir / "batch.png", title)
    figures = [
        {"file": "curves.png", "caption": "Loss and accuracy over the epochs"},
        {"file": "per_class.png", "caption": "Accuracy of each emotion on val over the epochs"},
    ]
    for name, kinds in found.items():
        figures.append(_draw_confusion(kinds["selected"], classes, run_dir, name, title))
    shown = "test" if "test" in found else "val"
    split = task.bundle.splits[shown]
    figures.append(_draw_mistakes(found[shown]["selected"], split, classes, run_dir, title))
    figures.append(
        {"file": "batch.png", "caption": "The first training batch as the network sees it"}
    )
    origin = list(task.start.origin) if task.start else "random initialisation"
    report = {
        "title": title,
        "summary": summarise(results),
        "protocol": {
            **describe_protocol(config, task.bundle, task.spec, origin),
            "phases": describe_phases(config, task.shapes, task.frozen),
            "course": [*meta["notes"]] or "as planned",
        },
        "results": results,
        "config": asdict(config),
        "environment": describe_environment(list(task.mesh.devices.flat), meta["seconds"]),
        "warnings": warnings_of(config, results),
        "notes": list(task.bundle.notes),
        "figures": figures,
    }
    return {**report, "path": str(write_report(report, run_dir))}


def _evaluate(task: Task, runs: Mapping[str, LoadedRun]) -> dict[str, dict[str, Evaluation]]:
    """Returns split → checkpoint → evaluation; the last epoch is often the selected one too.

    With test-time augmentation also `<checkpoint>+<tta>`, after the plain ones.
    """
    config = task.config
    # The last epoch is often the selected one too; raw parameters are others.
    distinct = {(run.step, which.startswith("raw")): run for which, run in runs.items()}
    ways = {"": task.logits_of}
    if config.tta != "none":
        size, shown = config.batch_size, config.progress
        ways[f"+{config.tta}"] = evaluator(
            task.model, task.spec, task.mesh, size, shown, config.tta
        )
    found: dict[str, dict[str, Evaluation]] = {}
    for name in ("val", "test"):
        if split := task.bundle.splits.get(name):
            found[name] = {}
            for suffix, logits_of in ways.items():
                evaluations = {
                    key: evaluate_split(logits_of, run.variables, split)
                    for key, run in distinct.items()
                }
                found[name] |= {
                    which + suffix: evaluations[run.step, which.startswith("raw")]
                    for which, run in runs.items()
                }
    return found


def assess_split(config: EvalConfig, own: TrainConfig) -> dict[str, Any]:
    """Evaluates a run's parameters on one split of any data set, under RUN/evaluations/.

    Where the class lists differ the shared classes alone are scored, the softmax renormalised over
    them; images of other classes are counted and left out.

    Returns the report, with the `path` of its report.md.
    """
    run_dir = Path(config.workdir)
    run = load_run(run_dir, config.checkpoint)
    name, bundle = _bundle_to_evaluate(config, own, run)
    wanted = config.split or ("test" if "test" in bundle.splits else "val")
    if wanted not in bundle.splits:
        raise unknown_name(f"--split of {name}", wanted, bundle.splits)
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
    result = evaluation(logits, labels)

    def write() -> dict[str, Any]:
        tta = "" if config.tta == "none" else f"-{config.tta}"
        directory = run_dir / "evaluations" / f"{name}-{wanted}{tta}"
        directory.mkdir(parents=True, exist_ok=True)
        title = f"{own.model}, trained on {own.dataset}, on {name} {wanted}"
        results = {wanted: {config.checkpoint: _scores(result, classes, run.epoch)}}
        shown = subset(split, np.flatnonzero(kept))
        notes = [*bundle.notes]
        if not kept.all():
            notes.append(f"{(~kept).sum():,} images of classes the network lacks were left out")
        if classes != run.classes:
            notes.append(f"scored over the shared classes only: {', '.join(classes)}")
        report = {
            "title": title,
            "summary": summarise(results),
            "protocol": {
                "run": str(run_dir),
                "parameters": f"{config.checkpoint} epoch, {run.epoch}",
                "split": f"{wanted}: {bundle.sources[wanted]}, {len(labels):,} images",
                "layout": bundle.layout,
                "classes": list(classes),
                "test-time augmentation": config.tta,
                "trained on": own.dataset,
            },
            "results": results,
            "config": asdict(config),
            "environment": describe_environment(list(mesh.devices.flat), run.meta["seconds"]),
            "warnings": [],
            "notes": notes,
            "figures": [
                _draw_confusion(result, classes, directory, wanted, title),
                _draw_mistakes(result, shown, classes, directory, title),
            ],
        }
        return {**report, "path": str(write_report(report, directory))}

    return on_first(write)


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


def _scores(result: Evaluation, classes: Sequence[str], epoch: int) -> dict[str, Any]:
    return {**scores(result.confusion, classes), "epoch": epoch, "loss": result.loss}


def _draw_confusion(
    result: Evaluation, classes: Sequence[str], directory: Path, split: str, title: str
) -> dict[str, str]:
    file = f"confusion_{split}.png"
    draw_confusion(result.confusion, classes, directory / file, f"{title}: {split}")
    return {"file": file, "caption": f"Confusion matrix on {split}, selected epoch"}


def _draw_mistakes(
    result: Evaluation, split: Split, classes: Sequence[str], directory: Path, title: str
) -> dict[str, str]:
    """Draws the images that the network got wrong with the highest probability."""
    confidence = result.probabilities.max(-1)
    wrong = np.flatnonzero(result.predicted != result.labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MISTAKES]
    draw_mistakes(
        split.read(worst),
        result.labels[worst],
        result.predicted[worst],
        confidence[worst],
        [split.ids[i] for i in map(int, worst)],
        classes,
        directory / "mistakes.png",
        f"{title}: most confident errors on {split.name}",
    )
    return {"file": "mistakes.png", "caption": f"Most confident errors on {split.name}"}


def _draw_first_batch(task: Task, path: Path, title: str) -> None:
    """Draws step 0's batch after augmentation, turned back into displayable images."""
    config, train = task.config, task.bundle.splits["train"]
    batch = train_batches(config, train)[0]
    key = stream_key(config.seed, "augment", 0)
    drawn = draw(AUGMENTS[config.augment], key, batch["index"], train.shape[:2])
    images = denormalize(prepare(batch["image"], task.spec, *drawn), task.spec)
    draw_batch(np.asarray(images), batch["label"], task.bundle.classes, path, f"{title}: a batch")
