"""A search's report: its best trial, all trials in a table, and a picture of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ferjax.report.figures.search_trials import draw_trials
from ferjax.report.pages import run_sections
from ferjax.report.pages.markdown_tables import bold, escape, percentage, table
from ferjax.report.pages.report_files import plain, write_page

_PICTURE = "trials.png"


def write_trials_report(report: Mapping[str, Any], directory: Path) -> Path:
    """Writes `report.md`, `report.json` and `trials.png` of a search; returns the first's path.

    Args:
      report: `title`, `summary`, `warnings`, `rows` (of `search.summary.trial_rows`), `best` (one
        of them, or None), `command` (that trains the best again, or None), `results` (the best
        run's, as `write_report` takes them), `fields` (as `draw_trials` takes them), `protocol`,
        `config` and `environment` (mappings).
      directory: the study's folder, which holds the trials' run directories.

    Raises:
      UserError: a file cannot be written.
    """
    report = plain(report)
    draw_trials(report["rows"], report["fields"], directory / _PICTURE, report["title"])
    caption = "Val accuracy of the trials, and over each field that varies"
    report = {**report, "figures": [{"file": _PICTURE, "caption": caption}]}
    parts = [
        *run_sections.heading(report),
        *_best(report),
        *run_sections.figures(report["figures"]),
        *_trials(report),
        *run_sections.protocol(report["protocol"]),
        *run_sections.folded("Settings of every trial", report["config"]),
        *run_sections.folded("Environment of the best trial", report["environment"]),
    ]
    return write_page(report, parts, directory)


def _best(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields the command line of the best trial, and what its run found."""
    best = report["best"]
    if not best:
        return
    link = f"[{best['directory']}]({quote(best['directory'])}/report.md)"
    yield f"## Best: trial {best['number']} ({link})"
    yield f"```bash\n{report['command']}\n```"
    yield from run_sections.headline(report["results"])


def _trials(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields the table of all trials; the best one's row is bold, failures follow with reasons."""
    rows, best = report["rows"], report["best"]
    cells = [_cells(row, list(report["fields"])) for row in rows]
    if best:
        cells[best["number"]] = bold(cells[best["number"]])
    yield "## Trials"
    header = ["trial", "state", "val accuracy", "epochs", "minutes"]
    yield table([*header, *map(escape, report["fields"])], cells, 2)
    yield "Of a trial that did not complete, the highest val accuracy until then."
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
