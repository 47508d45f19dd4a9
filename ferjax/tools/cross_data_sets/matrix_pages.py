"""The report of a matrix: `report.md`, `report.html`, `report.json` and its picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jax
import numpy as np

from ferjax.config.matrix_config import MatrixConfig
from ferjax.report.environment import describe_environment
from ferjax.report.pages import run_sections
from ferjax.report.pages.markdown_tables import escape, percentage, table
from ferjax.report.pages.report_files import to_json_types, write_page
from ferjax.tools.cross_data_sets.cells import OTHER, OTHER_LABELS, WITHIN, Cell
from ferjax.tools.cross_data_sets.columns import Column
from ferjax.tools.cross_data_sets.draw_matrix import draw_matrix
from ferjax.tools.cross_data_sets.networks import Network

KIND = "cross-data-set matrix"
PICTURE = "matrix.png"
_MARKS = {WITHIN: " ●", OTHER_LABELS: " ○", OTHER: ""}
_KEY = (
    "Each cell: the score, its 95 % interval, the images that were scored. ● the data set that the"
    " network was trained on; ○ the same faces with other labels. The mean is over the cells"
    " without a mark; every data set counts once in it, and has classes of its own."
)
_CAPTION = "Accuracy and balanced accuracy of every network on every data set"
_CLASSES = (
    "Only the classes that network and data share are scored, the probabilities renormalised over"
    " them. A network that lacks a class of the data is spared its images, so numbers of networks"
    " with different classes do not compare."
)


def write_matrix(
    networks: Sequence[Network],
    columns: Sequence[Column],
    cells: Sequence[Cell],
    config: MatrixConfig,
    out: Path,
) -> Path:
    """Writes the report into the folder of the matrix; returns the path of `report.md`.

    Raises:
      UserError: a file cannot be written.
    """
    by_row_and_column = {(cell.network, cell.column): cell for cell in cells}
    rows, names = [network.name for network in networks], [column.name for column in columns]
    title = f"{_count(len(rows), 'network')} on {_count(len(names), 'data set')}"
    draw_matrix(by_row_and_column, rows, names, out / PICTURE, title)
    means = {row: _means([cell for cell in cells if cell.network == row]) for row in rows}
    report = to_json_types(
        {
            "kind": KIND,
            "title": title,
            "summary": "; ".join(_summary(row, means[row]) for row in rows),
            "cells": [asdict(cell) for cell in cells],
            "mean_over_other_data": means,
            "protocol": {
                "test-time augmentation": config.tta,
                "checkpoint": config.checkpoint,
                **{f"network {network.name}": _describe_network(network) for network in networks},
                **{f"data {column.name}": _describe_column(column) for column in columns},
            },
            "warnings": _warnings(cells),
            "notes": [
                _CLASSES,
                *(f"{column.name}: {note}" for column in columns for note in column.notes),
            ],
            "figures": [{"file": PICTURE, "caption": _CAPTION}],
            "config": asdict(config),
            # The reports of the runs state the times of training.
            "environment": {
                key: value
                for key, value in describe_environment(jax.devices(), 0).items()
                if not key.startswith("training")
            },
        }
    )
    parts = [
        *run_sections.heading(report),
        *_scores("Accuracy", by_row_and_column, rows, names, means, "accuracy"),
        *_scores("Balanced accuracy", by_row_and_column, rows, names, means, "balanced_accuracy"),
        _KEY,
        *run_sections.figures(report["figures"]),
        *_details(cells),
        *run_sections.protocol(report["protocol"]),
        *run_sections.notes(report["notes"]),
        *run_sections.collapsed_json("Configuration", report["config"]),
        *run_sections.collapsed_json("Environment", report["environment"]),
    ]
    return write_page(report, parts, out)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _means(cells: Sequence[Cell]) -> dict[str, Any]:
    """Returns the unweighted means of a network's scores over data sets other than its own."""
    other_cells = [cell for cell in cells if cell.relation == OTHER]
    return {
        "data sets": len(other_cells),
        "accuracy": float(np.mean([cell.accuracy for cell in other_cells]))
        if other_cells
        else None,
        "balanced_accuracy": float(np.mean([cell.balanced_accuracy for cell in other_cells]))
        if other_cells
        else None,
    }


def _summary(name: str, means: Mapping[str, Any]) -> str:
    if not means["data sets"]:
        return f"{name}: judged on its own data only"
    return (
        f"{name}: on {_count(means['data sets'], 'data set')} not its own balanced accuracy"
        f" {percentage(means['balanced_accuracy'], 1)}, accuracy {percentage(means['accuracy'], 1)}"
    )


def _warnings(cells: Sequence[Cell]) -> list[str]:
    """Returns the warnings of the cells, each with the names of its cells."""
    cells_of: dict[str, list[str]] = {}
    for cell in cells:
        for warning in cell.warnings:
            cells_of.setdefault(warning, []).append(f"{cell.network} on {cell.column}")
    return [f"{', '.join(places)}: {warning}" for warning, places in cells_of.items()]


def _scores(
    title: str,
    cells: Mapping[tuple[str, str], Cell],
    rows: Sequence[str],
    columns: Sequence[str],
    means: Mapping[str, Mapping[str, Any]],
    score: str,
) -> Iterator[str]:
    """Yields the table of one score: a row for each network, a column for each data set, means."""
    yield f"## {title}"
    lines = [
        [
            escape(row),
            *(_score_cell(cells[row, column], score) for column in columns),
            percentage(means[row][score], 1),
        ]
        for row in rows
    ]
    yield table(["network", *map(escape, columns), "mean over other data"], lines)


def _score_cell(cell: Cell, score: str) -> str:
    """Returns a score with its mark, its interval and the number of images."""
    low, high = getattr(cell, f"{score}_interval")
    value = f"**{percentage(getattr(cell, score), 1)}**{_MARKS[cell.relation]}"
    return f"{value}<br>{100 * low:.1f} to {100 * high:.1f}<br>{cell.count:,}"


def _details(cells: Sequence[Cell]) -> Iterator[str]:
    """Yields a table with a row for each cell: images scored, left out and trained on."""
    yield "## What each cell is"
    header = ["network", "data", "relation", "classes scored", "images left out"]
    header += ["classes without images", "images trained on", "largest class", "evaluation"]
    rows = []
    for cell in cells:
        dropped = ", ".join(f"{name} {count:,}" for name, count in cell.left_out.items())
        link = f"[report]({quote(cell.directory)}/report.md)"
        texts = [cell.network, cell.column, cell.relation, ", ".join(cell.classes), dropped or "–"]
        texts += [", ".join(cell.absent) or "–", cell.trained_on]
        rows.append([*map(escape, texts), percentage(cell.largest_class, 1), link])
    yield table(header, rows, numbers_from=len(header))
    yield (
        "Largest class: the accuracy of naming the most frequent class for every image. Images left"
        " out are of classes that the network lacks."
    )


def _describe_network(network: Network) -> list[str]:
    run_config = network.train_config
    return [
        f"{network.source}, epoch {network.epoch}, parameters {network.identity[:12]}",
        f"{run_config.model} at {run_config.image_size} pixels, trained on {run_config.dataset}",
        f"classes: {', '.join(network.classes)}",
    ]


def _describe_column(column: Column) -> list[str]:
    counts = ", ".join(f"{name} {count:,}" for name, count in column.counts.items() if count)
    return [
        f"{column.split}: {column.source}",
        f"{len(column):,} images: {counts}",
        f"{column.layout}; {column.data_dir or 'drawn'}",
    ]
