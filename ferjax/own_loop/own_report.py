"""The report of a training loop of your own."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ferjax.data.splits.class_counts import absent_class_warnings
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.evaluation.calibrated_scores import fit_calibration
from ferjax.evaluation.predictions_csv import write_predictions_csv
from ferjax.evaluation.protocol import summarise
from ferjax.evaluation.scores_and_figures import (
    judged_results,
    mistakes_figure,
    split_figures,
)
from ferjax.evaluation.seen_in_training import describe_seen
from ferjax.own_loop.run_files import OwnRun
from ferjax.own_loop.scores import checked_evaluation
from ferjax.report.environment import describe_environment
from ferjax.report.figures.training_curves import draw_curves
from ferjax.report.pages.report_files import write_report
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.run_directory.splits_file import read_split_record


def write_own_report(
    run: OwnRun,
    title: str,
    logits: Mapping[str, np.ndarray],
    splits: Mapping[str, Split],
    protocol: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the report of an own loop, its pictures and predictions_<split>.csv.

    Returns the path of report.md; report.json is beside it.

    Args:
      run: from `open_run`, after its last epoch.
      title: title of the report.
      logits: split name → logits float [N, K] of the selected (or last) parameters.
      splits: the same names → splits, for labels and images.
      protocol: key → text, more facts for the report on how the numbers were computed.

    Raises:
      UserError: no logits, logits without their split, or logits that do not fit labels or classes.
    """
    if not logits or not logits.keys() <= splits.keys():
        raise UserError(
            "the report needs the logits of one split or more, and each of these splits: logits of"
            f" {', '.join(logits) or 'none'} and splits {', '.join(splits) or 'none'} were given."
        )
    evaluations = {
        name: checked_evaluation(values, splits[name].labels, run.classes)
        for name, values in logits.items()
    }
    lines, epoch = read_lines(run.directory), run.best.get("epoch", 0)
    figures = [{"file": "curves.png", "caption": "Loss and accuracy over the epochs"}]
    draw_curves(lines, run.directory / "curves.png", epoch, title, (0,))
    fit = fit_calibration(evaluations["val"], "val") if "val" in evaluations else None
    fits = {(name, "selected"): fit for name in evaluations if fit and name != "val"}
    results_by_split = {name: {"selected": result} for name, result in evaluations.items()}
    votes = {name: splits[name].votes for name in results_by_split}
    results = judged_results(results_by_split, run.classes, {"selected": epoch}, votes, fits)
    for name, result in evaluations.items():
        figures += split_figures(result, run.classes, run.directory, name, title)
        write_predictions_csv(result, splits[name], run.classes, run.directory)
    # The mistakes are those of the last split, which is test if there is a test split.
    last = list(evaluations)[-1]
    figures.append(
        mistakes_figure(evaluations[last], splits[last], run.classes, run.directory, title)
    )
    record = read_split_record(run.directory)
    seen = {
        name: describe_seen(record, replace(splits[name], name=name), "", is_own=False)
        for name in (logits if record else ())
    }
    trained_on = [f"{name}: {text}" for name, (text, _) in seen.items()]
    report = {
        "title": title,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "summary": summarise(results),
        "protocol": {
            "training loop": "the user's own",
            "checkpoint selected by": "accuracy on val",
            "classes": list(run.classes),
            "images trained on": trained_on or "not recorded: give `open_run` the splits",
            **(protocol or {}),
        },
        "results": results,
        "config": {"model": run.model, **run.fields},
        "environment": describe_environment(jax.devices(), 0.0),
        "warnings": [
            *absent_class_warnings(splits, run.classes),
            *(f"{name}: {warning}" for name, (_, warnings) in seen.items() for warning in warnings),
        ],
        "notes": [],
        "figures": figures,
    }
    return write_report(report, run.directory)
