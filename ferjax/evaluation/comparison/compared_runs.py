"""Loads the compared runs: single runs, evaluations, and series of seeds or folds as one entry."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.evaluation.comparison.read_predictions import (
    Predictions,
    in_order,
    pooled,
    read_predictions,
)
from ferjax.evaluation.comparison.read_report import read_report, trained_run
from ferjax.training.run_directory.metrics_jsonl import METRICS_FILE, read_lines

_SPLITS = ("test", "val", "all", "train")


@dataclass(frozen=True)
class ComparedRun:
    """A run, an evaluation, or a series of seeds, with its predictions.

    Attributes:
      name: its name in tables.
      folder: the folder that the user named.
      title: title of its report.
      predictions: one for each seed, of the same images.
      seeds: names of the seeds' folders; none for a single run.
      lines: the lines of metrics.jsonl, for each run that has this file.
      settings: the config of its first run, field by field.
      warnings: warnings of its reports.
    """

    name: str
    folder: Path
    title: str
    predictions: tuple[Predictions, ...]
    seeds: tuple[str, ...]
    lines: tuple[list[dict[str, Any]], ...]
    settings: dict[str, Any]
    warnings: tuple[str, ...]


def common_split(folders: Sequence[Path], requested: str | None) -> str:
    """Returns the split to compare: the requested one, or the first that every run has.

    Raises:
      UserError: a folder that holds no predictions, or no split that every run has.
    """
    splits = {folder: _splits_of(folder) for folder in folders}
    for split in (requested,) if requested else _SPLITS:
        if all(split in run_splits for run_splits in splits.values()):
            return split
    parts = "; ".join(
        f"{folder} has {', '.join(run_splits)}" for folder, run_splits in splits.items()
    )
    prefix = f"--split={requested}: " if requested else "no split in common: "
    raise UserError(
        f"{prefix}{parts}. launch.evaluate --workdir=RUN --split=SPLIT writes the predictions of"
        " another split; give the folder that it names."
    )


def load_compared(
    folders: Sequence[Path], split: str, *, shared: bool
) -> tuple[list[ComparedRun], list[str]]:
    """Returns the runs with the same images in the same order, and notes on omitted images.

    Args:
      folders: two or more.
      split: the compared split.
      shared: whether runs of different images are compared on the images that all have.

    Raises:
      UserError: there are fewer than two folders, a folder is named twice or has no predictions, or
        the runs have different classes, images or labels.
    """
    if len(folders) < 2:
        raise UserError("two runs or more are compared: name their folders after the flags.")
    for number, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:number]]:
            raise UserError(f"{folder} is named twice.")
    runs = [_load(folder, split) for folder in folders]
    names = _names(folders)
    runs = [replace(run, name=name) for run, name in zip(runs, names, strict=True)]
    classes = _common_classes(runs)
    ids, notes = _common_images(runs, split, shared=shared)
    aligned = [
        replace(run, predictions=tuple(in_order(each, ids, classes) for each in run.predictions))
        for run in runs
    ]
    _check_labels(aligned)
    return aligned, notes


def _names(folders: Sequence[Path]) -> list[str]:
    """Returns the shortest ends of the paths that differ for all folders."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _series_folders(folder: Path, kind: str) -> list[Path]:
    """Returns the runs of a series of seeds or folds in a folder, in order."""
    folders = [path for path in folder.glob(f"{kind}_*") if path.is_dir()]
    return sorted(folders, key=lambda path: (len(path.name), path.name))


def _splits_of(folder: Path) -> list[str]:
    """Returns the splits for which a run, or every run of a series, has predictions."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder. Give runs, or folders of launch.evaluate.")
    if run_folders := _series_folders(folder, "seed") or _series_folders(folder, "fold"):
        splits_of_runs = [set(_splits_of(path)) for path in run_folders]
        # The val splits of folds overlap; only in test does each image have a single prediction.
        allowed = ("test",) if _series_folders(folder, "fold") else _SPLITS
        return [name for name in allowed if all(name in splits for splits in splits_of_runs)]
    splits = [name for name in _SPLITS if (folder / f"predictions_{name}.csv").is_file()]
    if splits:
        return splits
    if (folder / "checkpoints").is_dir() or (folder / "config.json").is_file():
        raise UserError(
            f"{folder} has no predictions: it is not finished, or of an earlier version. Train on"
            f" with --resume, or write them: python -m launch.evaluate --workdir={folder}"
        )
    raise UserError(
        f"{folder}: no predictions_<split>.csv there. Give runs, or folders of launch.evaluate."
    )


def _load(folder: Path, split: str) -> ComparedRun:
    """Returns the run, evaluation or series in a folder, with its predictions for a split.

    Raises:
      UserError: a report or a file of predictions cannot be read, or a value in it does not fit.
    """
    seeds = _series_folders(folder, "seed")
    members = seeds or [folder]
    runs = [run for member in members for run in (_series_folders(member, "fold") or [member])]
    reports = [read_report(run) for run in runs]
    own_report = read_report(folder)
    warnings = [text for report in (*reports, own_report) for text in report.warnings]
    trained_runs = [trained_run(run) for run in runs]
    return ComparedRun(
        folder.name,
        folder,
        own_report.title,
        tuple(_predictions(member, split) for member in members),
        tuple(seed_folder.name for seed_folder in seeds),
        tuple(read_lines(run) for run in trained_runs if (run / METRICS_FILE).is_file()),
        reports[0].settings,
        tuple(dict.fromkeys(warnings)),
    )


def _predictions(member: Path, split: str) -> Predictions:
    """Returns the predictions of a run, or of all folds of a series together."""
    file = f"predictions_{split}.csv"
    if folds := _series_folders(member, "fold"):
        return pooled([read_predictions(fold / file) for fold in folds], member)
    return read_predictions(member / file)


def _named_predictions(runs: Sequence[ComparedRun]) -> list[tuple[str, Predictions]]:
    """Returns the predictions of all runs and seeds, with names for messages."""
    return [
        (f"{run.name}/{seed}" if seed else run.name, each)
        for run in runs
        for seed, each in zip(run.seeds or ("",), run.predictions, strict=True)
    ]


def _common_classes(runs: Sequence[ComparedRun]) -> tuple[str, ...]:
    (first_name, first), *others = _named_predictions(runs)
    for name, other in others:
        if set(other.classes) != set(first.classes):
            raise UserError(
                f"{first_name} and {name} have different classes: {', '.join(first.classes)}; and"
                f" {', '.join(other.classes)}. Evaluate both on data whose classes they share."
            )
    return first.classes


def _common_images(
    runs: Sequence[ComparedRun], split: str, *, shared: bool
) -> tuple[list[str], list[str]]:
    """Returns the images that are compared, in the first run's order, and notes."""
    (first_name, first), *others = _named_predictions(runs)
    common = set(first.ids).intersection(*(other.ids for _, other in others))
    for name, other in others:
        if set(other.ids) == set(first.ids) or (shared and common):
            continue
        shared_count = len(set(first.ids) & set(other.ids))
        example = next(iter(sorted(set(first.ids) ^ set(other.ids))))
        run_with_example = first_name if example in set(first.ids) else name
        advice = " --shared compares them on these." if shared_count else ""
        raise UserError(
            f"{first_name} and {name} were judged on different images of {split}:"
            f" {len(first.ids):,} and {len(other.ids):,}, {shared_count:,} in common;"
            f" {example} is only in {run_with_example}.{advice}"
        )
    notes = [
        f"{name}: {len(each.ids) - len(common):,} of its {len(each.ids):,} images are left out,"
        " because another run lacks them"
        for name, each in ((first_name, first), *others)
        if len(each.ids) > len(common)
    ]
    return [name for name in first.ids if name in common], notes


def _check_labels(runs: Sequence[ComparedRun]) -> None:
    (first_name, first), *others = _named_predictions(runs)
    for name, other in others:
        different = (other.labels != first.labels).nonzero()[0]
        if len(different):
            row = int(different[0])
            raise UserError(
                f"{first_name} and {name} were judged by different labels: {len(different):,} of"
                f" {len(first.ids):,} images, {first.ids[row]} first:"
                f" {first.classes[first.labels[row]]} and {other.classes[other.labels[row]]}."
            )
