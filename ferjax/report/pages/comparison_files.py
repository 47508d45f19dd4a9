"""Writes the report of a comparison of runs: `report.md`, `report.html` and `report.json`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.report.headline import HEADLINE
from ferjax.report.pages import run_sections
from ferjax.report.pages.calibration_sections import headline_cell, headline_spread
from ferjax.report.pages.markdown_tables import bold, decimal, escape, percentage, table
from ferjax.report.pages.report_files import to_json_types, write_page

# The most runs that a table holds side by side.
_RUNS_PER_TABLE = 4
_LEVEL = 0.05


def write_comparison(report: Mapping[str, Any], directory: Path) -> Path:
    """Writes a comparison and returns the path of its `report.md`.

    Args:
      report: from `ferjax.evaluation.comparison.compare_runs.comparison`.
      directory: a new folder.

    Raises:
      UserError: a file cannot be written.
    """
    report = to_json_types(report)
    parts = [
        *run_sections.heading(report),
        *_scores(report["runs"]),
        *_differences(report["pairs"]),
        *_over_seeds(report["pairs"]),
        *_recall(report["runs"]),
        *run_sections.figures(report["figures"]),
        *_settings(report),
        *_runs(report["runs"]),
        *run_sections.notes(report["notes"]),
    ]
    return write_page(report, parts, directory)


def _blocks(runs: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yields the runs of each table."""
    for first in range(0, len(runs), _RUNS_PER_TABLE):
        yield runs[first : first + _RUNS_PER_TABLE]


def _scores(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Scores"
    yield (
        "Brackets: 95 % intervals over the choice of the images. ±: the sample standard deviation"
        " over seeds, about their mean."
        if any(run["seeds"] for run in runs)
        else "Brackets: 95 % intervals over the choice of the images."
    )
    for block in _blocks(runs):
        rows = [
            [escape(text), *(_score(name, run) for run in block)] for name, text in HEADLINE.items()
        ]
        yield table(["score", *(escape(run["name"]) for run in block)], rows)


def _score(name: str, run: Mapping[str, Any]) -> str:
    value, deviation = run["scores"][name], run["deviation"].get(name)
    if deviation is None:
        return headline_cell(name, value, run["intervals"].get(name))
    return headline_spread(name, value, deviation)


def _differences(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Differences"
    yield (
        "On the same images, first less second, in points, with 95 % intervals of the paired"
        " bootstrap. p (Holm) is corrected for all pairs; bold is below 5 %. The p-value of the"
        " accuracy is McNemar's exact one, from the images that one of the two alone has right; of"
        " several seeds it is the bootstrap's."
    )
    rows = []
    for pair in pairs:
        mcnemar = pair.get("mcnemar")
        counts = f"{mcnemar['only_first']} and {mcnemar['only_second']}" if mcnemar else "–"
        rows.append(_test_cells(pair, "accuracy", [counts]))
    header = ["first", "second", "accuracy", "right alone", "p", "p (Holm)"]
    yield table(header, rows, numbers_from=2)
    yield "The same of the macro F1; its p-value is the bootstrap's."
    rows = [_test_cells(pair, "macro_f1", []) for pair in pairs]
    yield table(["first", "second", "macro F1", "p", "p (Holm)"], rows, numbers_from=2)


def _test_cells(pair: Mapping[str, Any], name: str, extra_cells: Sequence[str]) -> list[str]:
    """Returns the row of a test of a pair, in bold where the difference is beyond chance."""
    test = pair[name]
    cells = [escape(pair["first"]), escape(pair["second"])]
    cells += [_in_points(test), *extra_cells, _p_value(test["p"]), _p_value(test["holm"])]
    return bold(cells) if test["holm"] is not None and test["holm"] < _LEVEL else cells


def _in_points(test: Mapping[str, Any]) -> str:
    """Returns a difference in points with its interval."""
    middle, low, high = (f"{100 * test[name]:+.2f}" for name in ("difference", "low", "high"))
    return f"{middle} ({low} to {high})"


def _p_value(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.0001" if value < 0.0001 else decimal(value)


def _over_seeds(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    tested = [pair for pair in pairs if pair["over_seeds"]]
    if not tested:
        return
    yield "## Differences over seeds"
    yield (
        "The table above asks what other images would change, these ones with other seeds: Welch's"
        " test of the mean accuracies, first less second, in points."
    )
    rows = [
        [
            escape(pair["first"]),
            escape(pair["second"]),
            _in_points(pair["over_seeds"]),
            _p_value(pair["over_seeds"]["p"]),
            _p_value(pair["over_seeds"]["holm"]),
        ]
        for pair in tested
    ]
    yield table(["first", "second", "accuracy", "p", "p (Holm)"], rows, numbers_from=2)


def _recall(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Recall of each emotion"
    for block in _blocks(runs):
        rows = []
        for name, count in runs[0]["support"].items():
            values = [run["recall"][name] for run in block]
            best = max((value for value in values if value is not None), default=None)
            cells = [percentage(value) for value in values]
            is_unique = values.count(best) == 1 and len(values) > 1
            cells = [
                f"**{cell}**" if is_unique and value == best else cell
                for cell, value in zip(cells, values, strict=True)
            ]
            rows.append([escape(name), *cells, f"{count}"])
        yield table(["emotion", *(escape(run["name"]) for run in block), "images"], rows)


def _settings(report: Mapping[str, Any]) -> Iterator[str]:
    runs = report["runs"]
    if not report["settings"]:
        return
    yield "## Settings that differ"
    for block in _blocks(range(len(runs))):
        rows = [
            [escape(name), *(escape(_text(values[k])) for k in block)]
            for name, values in report["settings"].items()
        ]
        header = ["setting", *(escape(runs[k]["name"]) for k in block)]
        yield table(header, rows, numbers_from=len(header))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None else str(value)


def _runs(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Runs"
    rows = [
        [
            escape(run["name"]),
            escape(run["title"]),
            escape(", ".join(run["seeds"]) or "–"),
            escape(run["folder"]),
        ]
        for run in runs
    ]
    yield table(["run", "report", "seeds", "folder"], rows, numbers_from=4)
