"""Collects what is judged of a finished run: from its files, else by its checkpoints."""

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
from ferjax.runs.load_run import load_run
from ferjax.runs.task import evaluate_split, prepare_task
from ferjax.runtime.sharding import devices_for
from ferjax.training.run_directory.config_and_lock import read_config
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.run_directory.splits_file import SPLITS_FILE, read_split_record

# (split, "selected" or "last") of the predictions that the paper's tables use.
Wanted = Collection[tuple[str, str]]
_CURVE = ("split", "epoch", "loss", "accuracy", "recall")
_FACTS = ("summary", "protocol", "environment", "warnings", "notes")
_ALWAYS = (("val", "selected"), ("test", "selected"))


def result_path(out: Path, run: PlannedRun) -> Path:
    """Returns the file of a run's result."""
    return out / "predictions" / f"{run.name}.npz"


def finished_result(out: Path, run: PlannedRun, wanted: Wanted) -> RunResult | None:
    """Returns the result of a run, collected now if it has not been; None: it is not finished.

    Args:
      out: folder of runs and results.
      run: the run.
      wanted: predictions that must be in it, as far as the run has the split.

    Raises:
      UserError: the run has other settings or other weights, a file of it is damaged, or its data
        are not there any more.
    """
    run_dir, path = run.folder, result_path(out, run)
    report = run_dir / "report.json"
    if not report.is_file():
        return None
    settings, planned = _own_settings(run, run_dir), settings_of(run.config)
    if other := [name for name in planned if planned[name] != settings.get(name)]:
        changes = "; ".join(f"{name}: {settings.get(name)} → {planned[name]}" for name in other)
        raise UserError(
            f"{run_dir} holds a run with another configuration ({changes}). Name a new --out, or"
            " give the settings that it was made with."
        )
    if isinstance(run.config, TrainConfig):
        check_same_weights(run.config.pretrained, run_dir)
    advice = f"`python -m launch.evaluate --workdir={run_dir}` writes it again."
    found = read_json_object(report, advice)
    if path.is_file():
        stored = read_result(path)
        if _is_of(stored, found, settings) and _holds(stored, wanted):
            return stored
    with fitting_values(report, advice):
        result = _collect(run, run_dir, found, settings, wanted)
    if problem := misfit(result):
        raise UserError(
            f"{run_dir}: its predictions are not those of the images that it learned from"
            f" ({problem}). Give the data as they were when it was trained, or a new --out."
        )
    write_result(path, result)
    return result


def _is_of(stored: RunResult, report: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Returns whether a result was collected of this run, not of one that was there before.

    A run that was deleted and trained again has other times in its report, if nothing else.
    """
    same = all(stored.facts.get(name) == report.get(name) for name in _FACTS)
    return same and stored.facts.get("config") == settings


def _holds(result: RunResult, wanted: Wanted) -> bool:
    return all(
        split not in result.splits or (split, result.epochs[which]) in result.predictions
        for split, which in wanted
    )


def _own_settings(run: PlannedRun, run_dir: Path) -> dict[str, Any]:
    """Returns the settings that a run's results depend on, as its directory has them."""
    if isinstance(run.config, BaselineConfig):
        finished_baseline(run.config)  # which compares them
        return settings_of(run.config)
    return settings_of(read_config(run_dir))


def _collect(
    run: PlannedRun,
    run_dir: Path,
    report: Mapping[str, Any],
    settings: Mapping[str, Any],
    wanted: Wanted,
) -> RunResult:
    results = report["results"]
    splits = read_json_object(run_dir / SPLITS_FILE, "Copy it from the run again.")
    classes = tuple(splits["classes"])
    first = next(iter(results.values()))
    # A baseline has one set of parameters.
    which = {name: first.get(name, first["selected"])["epoch"] for name in ("selected", "last")}
    epochs = {**which, **_phase_ends(run)}
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
        {key: line[key] for key in _CURVE if key in line} for line in read_lines(run_dir)
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
            **{name: report.get(name) for name in _FACTS},
            "costs": report.get("costs") or {},
            "parameters": (report.get("network") or {}).get("parameters"),
        },
    )


def command_of(run: PlannedRun) -> str:
    """Returns the command that trains this run alone, without places on this machine."""
    if isinstance(run.config, BaselineConfig):
        config, named = settings_of(run.config), {"features": "", "dataset": ""}
        default = settings_of(BaselineConfig(run.config.features, run.config.dataset))
        flags = [f"--{name}={value}" for name, value in config.items()
                 if name in named or value != default[name]]  # fmt: skip
        return shlex.join(["python", "-m", "launch.baseline", *flags])
    plain = resolve({"model": run.config.model, "dataset": run.config.dataset,
                     "recipe": run.config.recipe})  # fmt: skip
    own, others = settings_of(run.config), settings_of(plain)
    own |= {"pretrained": run.experiment.after or own["pretrained"]}
    named = {"model": "", "dataset": "", "recipe": ""}
    flags = [
        f"--{name}={','.join(map(str, values_of(_tuple(value))))}"
        for name, value in own.items()
        if name in named or value != others[name]
    ]
    return shlex.join(["python", "-m", "launch.train", *flags])


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _phase_ends(run: PlannedRun) -> dict[str, int]:
    """Returns `phase_1` → its last epoch, of a run with phases."""
    if isinstance(run.config, BaselineConfig):
        return {}
    phases = phases_of(run.config)
    return {"phase_1": phases[0].epochs} if len(phases) > 1 else {}


def _read_csv(path: Path, classes: tuple[str, ...]) -> Predictions:
    """Returns the predictions that the run's report wrote.

    Raises:
      UserError: the file is missing or damaged, or has other classes than the run.
    """
    found = read_predictions(path)
    if found.classes != classes:
        raise UserError(
            f"{path}: classes {', '.join(found.classes)}; the run has {', '.join(classes)}."
            f" `python -m launch.evaluate --workdir={path.parent}` writes it again."
        )
    return Predictions(
        half_precision(found.probabilities, found.predicted), found.labels.astype(np.uint8)
    )


def _evaluate(
    run_dir: Path, keys: Collection[tuple[str, int]], epochs: Mapping[str, int]
) -> dict[tuple[str, int], Predictions]:
    """Returns predictions from the run's checkpoints, on the images that it recorded."""
    config = replace(read_config(run_dir), progress=False, workdir=str(run_dir))
    task = prepare_task(config, devices_for(config.batch_size), read_split_record(run_dir))
    found = {}
    for which in ("selected", "last"):
        splits = sorted({split for split, epoch in keys if epoch == epochs[which]})
        splits = [name for name in splits if (name, epochs[which]) not in found]
        if splits:
            run = load_run(run_dir, which)
            for name in splits:
                split = task.bundle.splits[name]
                result = evaluate_split(task.logits_of, run.variables, split)
                found[name, epochs[which]] = Predictions(
                    half_precision(result.probabilities, result.predicted),
                    result.labels.astype(np.uint8),
                )
    return found
