"""Writes the report of a hyper-parameter search: best trial, table and figure of all trials."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ferjax.report.figures.search_trials import draw_trials
from ferjax.report.pages import run_sections
from ferjax.report.pages.markdown_tables import bold, escape, percentage, table
from ferjax.report.pages.report_files import to_json_types, write_page

_FIGURE = "trials.png"


def write_trials_report(report: Mapping[str, Any], directory: Path) -> Path:
    """Writes `report.md`, `report.json` and `trials.png` of a search; returns path of `report.md`.

    Args:
      report: `title`, `summary`, `warnings`, `rows` (of `study_summary.trial_rows`), `best` (one of
        them, or None), `command` (which trains the best trial again, or None), `results` (of the
        best trial, as for `write_report`), `fields` (as for `draw_trials`), `protocol`, `config`
        and `environment` (mappings).
      directory: the folder of the study, which contains the run directories of the trials.

    Raises:
      UserError: a file cannot be written.
    """
    report = to_json_types(report)
    draw_trials(report["rows"], report["fields"], directory / _FIGURE, report["title"])
    caption = "Val accuracy by trial, and by the value of each varied field"
    report = {**report, "figures": [{"file": _FIGURE, "caption": caption}]}
    parts = [
        *run_sections.heading(report),
        *_best(report),
        *run_sections.figures(report["figures"]),
        *_trials(report),
        *run_sections.protocol(report["protocol"]),
        *run_sections.collapsed_json("Settings of every trial", report["config"]),
        *run_sections.collapsed_json("Environment of the best trial", report["environment"]),
    ]
    return write_page(report, parts, directory)


def _best(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields the command line of the best trial, and its results."""
    best = report["best"]
    if not best:
        return
    link = f"[{best['directory']}]({quote(best['directory'])}/report.md)"
    yield f"## Best: trial {best['number']} ({link})"
    yield f"```bash\n{report['command']}\n```"
    yield from run_sections.headline(report["results"])


def _trials(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields the table of all trials, the best in bold, and the reasons of failed trials."""
    rows, best = report["rows"], report["best"]
    cells = [_cells(row, list(report["fields"])) for row in rows]
    if best:
        cells[best["number"]] = bold(cells[best["number"]])
    yield "## Trials"
    header = ["trial", "state", "val accuracy", "epochs", "minutes"]
    yield table([*header, *map(escape, report["fields"])], cells, 2)
    yield "A trial that did not complete is listed with its highest val accuracy so far."
    failed = [
        f"- trial {row['number']}: {escape(row['failure'])}" for row in rows if row["failure"]
    ]
    if failed:
        yield "\n".join(["Failed:", "", *failed])


def _cells(row: Mapping[str, Any], fields: list[str]) -> list[str]:
    number = f"{row['number']}"
    if row["state"] == "complete":
        number = f"[{number}]({quote(row['directory'])}/report.md)"
    facts = [percentage(row["accuracy"]), f"{row['epochs']}", f"{row['minutes']:.1f}"]
    return [number, row["state"], *facts, *(_value(row["values"][name]) for name in fields)]


def _value(value: Any) -> str:
    return "–" if value is None else escape(value)
