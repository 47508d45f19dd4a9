"""Sections of `report.md`: results table, protocol, figures, per-class scores, confusion matrix."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ferjax.report.pages.markdown_tables import (
    bold,
    collapsed,
    decimal,
    escape,
    key_value_table,
    percentage,
    table,
)

RATES = ("precision", "recall", "f1")


def heading(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields title, summary, and the warnings in a highlighted block."""
    yield f"# {escape(report['title'])}"
    yield escape(report["summary"])
    if report["warnings"]:
        lines = ["> [!WARNING]", *(f"> - {escape(warning)}" for warning in report["warnings"])]
        yield "\n".join(lines)


def headline(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yields the results table: each split at the last and at the selected epoch (in bold)."""
    header = ["split", "weights", "epoch", "accuracy", "balanced accuracy"]
    header += ["macro F1", "weighted F1", "loss", "images"]
    rows = []
    for split, kinds in results.items():
        for kind, scores in kinds.items():
            rates = (
                scores["accuracy"],
                scores["mean_class_accuracy"],
                scores["macro"]["f1"],
                scores["weighted"]["f1"],
            )
            # A classical baseline has no epochs, which are counted from 1.
            epoch = f"{scores['epoch'] or '–'}"
            cells = [escape(split), escape(kind), epoch, *map(percentage, rates)]
            cells += [decimal(scores["loss"]), f"{scores['count']}"]
            rows.append(bold(cells) if kind == "selected" else cells)
    yield "## Results"
    yield table(header, rows, numbers_from=2)


def protocol(pairs: Mapping[str, Any]) -> Iterator[str]:
    """Yields the protocol: data, splits, and how the weights were selected."""
    if pairs:
        yield "## Protocol"
        yield key_value_table(pairs, ("protocol", "this run"))


def figures(entries: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yields the figures, as links relative to the report, each above its caption."""
    if entries:
        yield "## Figures"
    for entry in entries:
        caption = escape(entry["caption"])
        yield f"![{caption}]({quote(entry['file'])})\n\n*{caption}*"


def details(split: str, scores: Mapping[str, Any], which: str) -> Iterator[str]:
    """Yields per-class scores and confusion matrix of one split at the selected or last epoch."""
    epoch = f", {which} epoch {scores['epoch']}" if scores["epoch"] else ""
    yield from class_details(f"{split}{epoch}", scores)


def class_details(images: str, scores: Mapping[str, Any]) -> Iterator[str]:
    """Yields per-class scores and confusion matrix; `images` names the images in words."""
    yield f"## Per class on {escape(images)}"
    predicted = [sum(column) for column in zip(*scores["confusion"], strict=True)]
    # Earlier reports, and pooled scores of folds, have no ranking and no sets.
    ranked = all("roc_auc" in row for row in scores["per_class"])
    sets = (scores.get("calibrated") or {}).get("sets")
    header = ["class", "precision", "recall", "F1"]
    header += ["ROC AUC", "average precision"] * ranked
    header += [f"in {percentage(sets['asked'], 0)} sets"] if sets else []
    rows = []
    for row, count in zip(scores["per_class"], predicted, strict=True):
        # A class that is neither true nor predicted is in no average, so it has no rates.
        occurs = row["support"] or count
        cells = [percentage(row[rate] if occurs else None) for rate in RATES]
        if ranked:
            cells += [decimal(row["roc_auc"]), decimal(row["average_precision"])]
        if sets:
            cells.append(percentage(sets["by_class"][row["class"]]))
        rows.append([escape(row["class"]), *cells, f"{row['support']}"])
    for name in ("macro", "weighted"):
        rates = [percentage(scores[name][rate]) for rate in RATES]
        empty_cells = [""] * (len(header) - 1 - len(rates))
        rows.append(bold([f"{name} average", *rates, *empty_cells, f"{scores['count']}"]))
    yield table([*header, "images"], rows)
    yield "Confusion matrix, in images: rows are true classes, columns are predicted classes."
    yield confusion_table(scores["confusion"], scores["classes"])


def confusion_table(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Returns the confusion matrix as a table with its diagonal in bold."""
    names = [escape(name) for name in classes]
    rows = [
        [names[i], *(f"**{count}**" if i == j else f"{count}" for j, count in enumerate(row))]
        for i, row in enumerate(confusion)
    ]
    return table(["true ↓ predicted →", *names], rows)


def notes(entries: Sequence[str]) -> Iterator[str]:
    """Yields the notes as a list."""
    if entries:
        yield "## Notes"
        yield "\n".join(f"- {escape(note)}" for note in entries)


def collapsed_json(title: str, content: Mapping[str, Any]) -> Iterator[str]:
    """Yields a mapping as JSON in a block that is collapsed until the reader clicks on it."""
    if content:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        yield collapsed(title, f"```json\n{text}\n```")


def runs_table(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields a row for each seed or fold, then mean and sample standard deviation."""
    columns, kind = list(report["mean"]), report["kind"]
    rows = []
    for row in report["rows"]:
        link = f"[{escape(row['directory'])}]({quote(row['directory'])}/report.md)"
        cells = [score_cell(column, row.get(column)) for column in columns]
        rows.append([f"{row[kind]}", link, *cells])
    for key, name in (("mean", "mean"), ("deviation", "standard deviation")):
        cells = [score_cell(column, report[key].get(column)) for column in columns]
        rows.append(bold([name, "", *cells]))
    yield "## Results"
    yield table([kind, "run", *(column.replace("_", " ") for column in columns)], rows, 2)


def score_cell(column: str, value: float | None) -> str:
    """Returns a cell of a table of runs: losses and epochs as numbers, rates as percentages."""
    if column.endswith("loss"):
        return decimal(value)
    return decimal(value, 1) if column.endswith("epoch") else percentage(value)
