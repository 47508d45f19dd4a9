"""Writes the report of a run, or of several: `report.md`, `report.html` and `report.json`."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.format_versions import FORMAT, KEY
from ferjax.report.html.markdown_page import write_markdown_page
from ferjax.report.pages import calibration_sections, cost_sections, run_sections
from ferjax.runtime.atomic_files import write_atomically


def write_report(report: Mapping[str, Any], directory: Path) -> Path:
    """Writes the report of one run and returns the path of its `report.md`.

    Args:
      report: `title`, `summary`, `protocol` {name: str or list of str}, `results` {split: {`last`
        and/or `selected`, and the same with `+<tta>`: `scores(...)` with `epoch` and `loss` and,
        where they were computed, `headline` with `intervals`, `calibration`, `calibrated` and
        `votes`}},
        `config`, `environment`, `evaluation_environment` where another process than the training
        evaluated, `warnings` and `notes` (lists of str), `figures` (list of {`file`
        relative to `directory`, `caption`}), and for a training run `network` and `costs`, from
        `ferjax.evaluation.network_costs`.
      directory: the run directory.

    Raises:
      UserError: a file cannot be written.
    """
    report = to_json_types(report)
    parts = [
        *run_sections.heading(report),
        *run_sections.headline(report["results"]),
        *calibration_sections.certainty(report["results"]),
        *calibration_sections.calibration(report["results"]),
        *calibration_sections.votes(report["results"]),
        *run_sections.protocol(report["protocol"]),
        *run_sections.figures(report["figures"]),
    ]
    for split, kinds in report["results"].items():
        which = "selected" if "selected" in kinds else "last"
        parts += run_sections.details(split, kinds[which], which)
    parts += run_sections.notes(report["notes"])
    if "network" in report:
        parts += [*cost_sections.network(report["network"]), *cost_sections.speed(report["costs"])]
    parts += run_sections.collapsed_json("Configuration", report["config"])
    parts += run_sections.collapsed_json("Environment", report["environment"])
    if evaluation_environment := report.get("evaluation_environment"):
        title = "Environment of this evaluation"
        parts += run_sections.collapsed_json(title, evaluation_environment)
    return write_page(report, parts, directory)


def write_seeds_and_folds_report(report: Mapping[str, Any], directory: Path) -> Path:
    """Writes the report of one experiment with several seeds or folds; returns its `report.md`.

    Args:
      report: `title`, `summary`, `kind` (`seed` or `fold`), `rows` [{kind: number, `directory`
        (relative), `<split>_<which>_<score>`: number ...}], `mean` and `deviation`
        {`<split>_<which>_<score>`: number or None}, `scores` {split: {which: {`mean` and
        `deviation`: {score of `HEADLINE`: number or None}}}}, `pooled`
        (`scores(...)` or None), `figures`, `protocol`, `warnings`. The keys of `mean` are the
        columns of the table. Scores are rates in
        [0, 1], except those that end in `loss` or `epoch`.
      directory: the directory that contains the run directories.

    Raises:
      UserError: a file cannot be written.
    """
    report = to_json_types(report)
    parts = [
        *run_sections.heading(report),
        *run_sections.runs_table(report),
        *calibration_sections.scores_over_runs(report.get("scores", {})),
        *run_sections.protocol(report["protocol"]),
        *run_sections.figures(report.get("figures", [])),
    ]
    if pooled := report.get("pooled"):
        parts += run_sections.class_details("all folds' test images", pooled)
    return write_page(report, parts, directory)


def to_json_types(value: Any) -> Any:
    """Returns `value` as JSON types: arrays become lists, NaN and inf None, other objects text."""
    if isinstance(value, Mapping):
        return {str(key): to_json_types(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_types(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return to_json_types(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def write_page(report: Mapping[str, Any], parts: Iterable[str], directory: Path) -> Path:
    """Writes `report.md` from Markdown parts, the same as `report.html`, then `report.json`.

    Returns the path of `report.md`.

    Raises:
      UserError: a file cannot be written.
    """
    page = write_markdown_page(Path(directory) / "report.md", "\n\n".join(parts) + "\n")
    versioned = {KEY: FORMAT, **report}
    encoded = json.dumps(versioned, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # report.json is written last: a run that has it is finished.
    write_atomically(Path(directory) / "report.json", encoded)
    return page
