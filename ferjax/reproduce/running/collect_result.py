"""Collects the result of a finished run from its files, or else from its checkpoints."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.baselines.baseline_folder import finished_baseline
from ferjax.config.baseline_config import BaselineConfig
from ferjax.config.fields import values_of
from ferjax.config.given_files import fitting_values, read_json_object
from ferjax.config.phases import phases_of
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.evaluation.comparison.read_predictions import read_predictions
from ferjax.recipes import resolve
from ferjax.reproduce.run_result import Predictions, RunResult, half_precision, misfit
from ferjax.reproduce.running.plan import PlannedRun
from ferjax.reproduce.running.same_weights import check_same_weights
from ferjax.reproduce.running.stored_results import read_result, settings_of, write_result
from ferjax.runs.finished_runs.load_run import load_run
from ferjax.runs.split_evaluator import evaluate_split
from ferjax.runs.task import prepare_task
from ferjax.runtime.sharding import devices_for
from ferjax.training.run_directory.config_and_lock import read_config
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.run_directory.splits_file import SPLITS_FILE, read_split_record

# (split, "selected" or "last") of the predictions that the paper's tables use.
Wanted = Collection[tuple[str, str]]
# Keys of a line of metrics.jsonl, and blocks of report.json, that a result holds.
_CURVE_KEYS = ("split", "epoch", "loss", "accuracy", "recall")
_REPORT_BLOCKS = ("summary", "protocol", "environment", "warnings", "notes")
# Predictions that every result holds, as far as the run has the split.
_ALWAYS = (("val", "selected"), ("test", "selected"))


def result_path(out: Path, run: PlannedRun) -> Path:
    """Returns the file of a run's result."""
    return out / "predictions" / f"{run.name}.npz"


def finished_result(out: Path, run: PlannedRun, wanted: Wanted) -> RunResult | None:
    """Returns the result of a run, collected now if it is not stored; None if it is not finished.

    Args:
      out: folder of runs and results.
      run: the run.
      wanted: predictions that the result must hold, as far as the run has the split.

    Raises:
      UserError: the run has other settings or other weights, one of its files is damaged, or its
        data are no longer there.
    """
    run_dir, path = run.folder, result_path(out, run)
    report_path = run_dir / "report.json"
    if not report_path.is_file():
        return None
    settings, planned = _own_settings(run, run_dir), settings_of(run.config)
    if changed := [name for name in planned if planned[name] != settings.get(name)]:
        changes = "; ".join(f"{name}: {settings.get(name)} → {planned[name]}" for name in changed)
        raise UserError(
            f"{run_dir} holds a run with another configuration ({changes}). Name a new --out, or"
            " give the settings that it was made with."
        )
    if isinstance(run.config, TrainConfig):
        check_same_weights(run.config.pretrained, run_dir)
    advice = f"`python -m launch.evaluate --workdir={run_dir}` writes it again."
    report = read_json_object(report_path, advice)
    if path.is_file():
        stored = read_result(path)
        if _is_from_run(stored, report, settings) and _has_predictions(stored, wanted):
            return stored
    with fitting_values(report_path, advice):
        result = _collect(run, run_dir, report, settings, wanted)
    if problem := misfit(result):
        raise UserError(
            f"{run_dir}: its predictions are not those of the images that it learned from"
            f" ({problem}). Give the data as they were when it was trained, or a new --out."
        )
    write_result(path, result)
    return result


def _is_from_run(stored: RunResult, report: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Returns whether a result was collected from this run, not from an earlier one in its place.

    The report of a run that was deleted and trained again has at least other times.
    """
    same_report = all(stored.facts.get(name) == report.get(name) for name in _REPORT_BLOCKS)
    return same_report and stored.facts.get("config") == settings


def _has_predictions(result: RunResult, wanted: Wanted) -> bool:
    """Returns whether a result holds the wanted predictions, as far as the run has the split."""
    return all(
        split not in result.splits or (split, result.epochs[checkpoint]) in result.predictions
        for split, checkpoint in wanted
    )


def _own_settings(run: PlannedRun, run_dir: Path) -> dict[str, Any]:
    """Returns the settings on which a run's results depend, as its directory states them."""
    if isinstance(run.config, BaselineConfig):
        finished_baseline(run.config)  # raises an error if the settings differ
        return settings_of(run.config)
    return settings_of(read_config(run_dir))


def _collect(
    run: PlannedRun,
    run_dir: Path,
    report: Mapping[str, Any],
    settings: Mapping[str, Any],
    wanted: Wanted,
) -> RunResult:
    """Returns the result of a run from its files; evaluates the predictions that they lack."""
    results = report["results"]
    splits = read_json_object(run_dir / SPLITS_FILE, "Copy it from the run again.")
    classes = tuple(splits["classes"])
    split_results = next(iter(results.values()))
    # A baseline has one set of parameters, which is both the selected and the last one.
    epochs = {
        name: split_results.get(name, split_results["selected"])["epoch"]
        for name in ("selected", "last")
    }
    epochs |= _phase_ends(run)
    keys = {(split, epochs[epoch]) for split, epoch in (*_ALWAYS, *wanted)}
    keys = {key for key in keys if key[0] in splits["splits"]}
    predictions = {
        (split, epochs["selected"]): _read_csv(run_dir / f"predictions_{split}.csv", classes)
        for split in results
    }
    missing = keys - set(predictions)
    if missing and not isinstance(run.config, BaselineConfig):
        predictions |= _evaluate(run_dir, missing, epochs)
    curves = tuple(
        {key: line[key] for key in _CURVE_KEYS if key in line} for line in read_lines(run_dir)
    )
    return RunResult(
        run.experiment.name,
        run.seed,
        classes,
        predictions,
        epochs,
        curves,
        splits["splits"],
        draws=not isinstance(run.config, BaselineConfig),
        facts={
            "config": settings,
            "model": run.config.model,
            "dataset": run.config.dataset,
            "command": command_of(run),
            **{name: report.get(name) for name in _REPORT_BLOCKS},
            "costs": report.get("costs") or {},
            "parameters": (report.get("network") or {}).get("parameters"),
        },
    )


def command_of(run: PlannedRun) -> str:
    """Returns the command that trains this run alone, without paths of this machine."""
    if isinstance(run.config, BaselineConfig):
        settings, always_stated = settings_of(run.config), ("features", "dataset")
        defaults = settings_of(BaselineConfig(run.config.features, run.config.dataset))
        flags = [f"--{name}={value}" for name, value in settings.items()
                 if name in always_stated or value != defaults[name]]  # fmt: skip
        return shlex.join(["python", "-m", "launch.baseline", *flags])
    plain = resolve({"model": run.config.model, "dataset": run.config.dataset,
                     "recipe": run.config.recipe})  # fmt: skip
    settings, defaults = settings_of(run.config), settings_of(plain)
    settings |= {"pretrained": run.experiment.after or settings["pretrained"]}
    always_stated = ("model", "dataset", "recipe")
    flags = [
        f"--{name}={','.join(map(str, values_of(_as_tuple(value))))}"
        for name, value in settings.items()
        if name in always_stated or value != defaults[name]
    ]
    return shlex.join(["python", "-m", "launch.train", *flags])


def _as_tuple(value: Any) -> Any:
    """Returns a list of JSON as a tuple, any other value unchanged."""
    return tuple(value) if isinstance(value, list) else value


def _phase_ends(run: PlannedRun) -> dict[str, int]:
    """Returns `phase_1` → its last epoch for a run with phases, else an empty dictionary."""
    if isinstance(run.config, BaselineConfig):
        return {}
    phases = phases_of(run.config)
    return {"phase_1": phases[0].epochs} if len(phases) > 1 else {}


def _read_csv(path: Path, classes: tuple[str, ...]) -> Predictions:
    """Returns the predictions of a csv file that a run has written with its report.

    Raises:
      UserError: the file is missing or damaged, or has other classes than the run.
    """
    stored = read_predictions(path)
    if stored.classes != classes:
        raise UserError(
            f"{path}: classes {', '.join(stored.classes)}; the run has {', '.join(classes)}."
            f" `python -m launch.evaluate --workdir={path.parent}` writes it again."
        )
    return Predictions(
        half_precision(stored.probabilities, stored.predicted), stored.labels.astype(np.uint8)
    )


def _evaluate(
    run_dir: Path, keys: Collection[tuple[str, int]], epochs: Mapping[str, int]
) -> dict[tuple[str, int], Predictions]:
    """Returns predictions of the run's checkpoints on the images that the run recorded."""
    config = replace(read_config(run_dir), progress=False, workdir=str(run_dir))
    task = prepare_task(config, devices_for(config.batch_size), read_split_record(run_dir))
    predictions = {}
    for checkpoint in ("selected", "last"):
        splits = sorted({split for split, epoch in keys if epoch == epochs[checkpoint]})
        splits = [name for name in splits if (name, epochs[checkpoint]) not in predictions]
        if splits:
            run = load_run(run_dir, checkpoint)
            for name in splits:
                split = task.bundle.splits[name]
                result = evaluate_split(task.logits_of, run.variables, split)
                predictions[name, epochs[checkpoint]] = Predictions(
                    half_precision(result.probabilities, result.predicted),
                    result.labels.astype(np.uint8),
                )
    return predictions
