"""Writes report.html and report.json of a paper."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferjax.report.pages.report_files import to_json_types
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.reporting.build_report import build_report
from ferjax.reproduce.reporting.draw_figures import draw_figures
from ferjax.reproduce.reporting.embedded_results import results_to_json
from ferjax.reproduce.reporting.page import (
    check_size,
    is_too_large,
    render_report,
    small_pictures,
)
from ferjax.reproduce.reporting.verify_page import PAGE_FORMAT
from ferjax.reproduce.run_result import RunResult
from ferjax.runtime.atomic_files import write_atomically


def write_paper_report(
    paper: Paper,
    results: Mapping[str, Sequence[RunResult]],
    lacks: Mapping[str, str],
    missing: Mapping[str, str],
    settings: Mapping[str, Any],
    used: frozenset[tuple[str, str, str]],
    out: Path,
) -> dict[str, Any]:
    """Writes report.html and report.json; returns the report, with the `path` of the page.

    Args:
      paper: the paper, with stand-ins in place of experiments that cannot be run.
      results: experiment → its finished runs.
      lacks: experiment → what it lacks; by these the stand-ins were chosen.
      missing: experiment → why it has no run, including those of `lacks`.
      settings: as `build_report` takes them.
      used: (experiment, split, epoch) of the predictions that claims, figures and open points use.
      out: the folder.

    Raises:
      UserError: a file cannot be written, or the page would be too large.
    """
    report = build_report(paper, results, missing, settings)
    pictures = small_pictures(draw_figures(paper.figures, results, out / "figures"))
    digests = {name: [picture["sha256"] for picture in figure] for name, figure in pictures.items()}
    facts = {
        "page_format": PAGE_FORMAT,
        "paper": paper.name,
        "lacks": dict(lacks),
        "missing": dict(missing),
        "settings": dict(settings),
        "pictures": digests,
    }
    page = render_report(report, pictures, {**facts, "results": results_to_json(results)})
    if is_too_large(page):
        # Predictions that only the table of experiments uses are dropped; its cells are then empty.
        results = _only_used(results, used)
        report = build_report(paper, results, missing, settings)
        page = render_report(report, pictures, {**facts, "results": results_to_json(results)})
    check_size(page)
    twin = json.dumps(to_json_types(report), indent=1, ensure_ascii=False) + "\n"
    write_atomically(out / "report.json", twin)
    return {**report, "path": str(write_atomically(out / "report.html", page))}


def _only_used(
    results: Mapping[str, Sequence[RunResult]], used: frozenset[tuple[str, str, str]]
) -> dict[str, list[RunResult]]:
    """Returns the results without the predictions that no claim, figure or open point uses."""
    kept = {}
    for name, runs in results.items():
        kept[name] = []
        for run in runs:
            keys = {
                (split, run.epochs[epoch])
                for experiment, split, epoch in used
                if experiment == name and epoch in run.epochs
            }
            predictions = {key: run.predictions[key] for key in keys & set(run.predictions)}
            kept[name].append(replace(run, predictions=predictions))
    return kept
