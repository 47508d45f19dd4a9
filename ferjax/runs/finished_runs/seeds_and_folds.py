"""One experiment as several runs, by seed or by cross-validation fold, and their joint report."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.train_config import TrainConfig
from ferjax.report.pages.seeds_and_folds_report import run_folder, seeds_and_folds_report
from ferjax.training.run_directory.config_and_lock import locked_run_dir


def configs_of_series(config: TrainConfig) -> tuple[str, dict[int, TrainConfig]]:
    """Returns `seed` or `fold`, and number → config of each run; empty for a single run.

    With both seeds and folds, the folder of each seed contains a series of folds.
    """
    top = Path(config.workdir or "")
    if config.seeds:
        kind, runs = "seed", {seed: replace(config, seed=seed, seeds=()) for seed in config.seeds}
    else:
        folds = config.folds if config.folds and config.fold is None else 0
        kind, runs = "fold", {k: replace(config, fold=k) for k in range(1, folds + 1)}
    with_workdirs = {
        number: replace(run, workdir=str(top / run_folder(kind, number)))
        for number, run in runs.items()
    }
    return kind, with_workdirs


def train_series(
    config: TrainConfig, train: Callable[[TrainConfig], Mapping[str, Any]]
) -> dict[str, Any]:
    """Trains every run of a series and writes their joint report; returns it, with its `path`.

    Args:
      config: a config with `seeds` or `folds`.
      train: (config of one run) → its report.
    """
    top = Path(config.workdir or "")
    kind, runs = configs_of_series(config)
    with locked_run_dir(config):
        reports = {number: train(run) for number, run in runs.items()}
    # Imported here because they need half a second, which would delay the first step.
    from ferjax.report.figures.confusion_matrix import draw_confusion
    from ferjax.report.pages.report_files import write_seeds_and_folds_report

    report = seeds_and_folds_report(kind, reports)
    if pooled := report["pooled"]:
        file = "confusion_pooled.png"
        confusion = np.array(pooled["confusion"])
        draw_confusion(confusion, pooled["classes"], top / file, f"{report['title']}: pooled")
        caption = "Confusion matrix of all folds' test images, selected epochs"
        report["figures"] = [{"file": file, "caption": caption}]
    return {**report, "path": str(write_seeds_and_folds_report(report, top))}
