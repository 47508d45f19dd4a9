"""One cell of a matrix: an evaluation of one network on one data set, made or found finished."""

import csv
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ferjax.config.format_versions import FORMAT
from ferjax.config.given_files import read_json_object
from ferjax.config.matrix_config import MatrixConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.errors import UserError
from ferjax.evaluation.split_report import report_split
from ferjax.report.spreadsheet_text import as_before
from ferjax.tools.cross_data_sets.columns import Column
from ferjax.tools.cross_data_sets.networks import Network

CELLS = "cells"
# Data sets of the same faces, with other labels.
_SAME_FACES = ({"fer2013", "ferplus"},)
OTHER, WITHIN, SAME_FACES = "other data", "within the data set", "same faces, other labels"


@dataclass(frozen=True)
class Cell:
    """What a matrix states of one network on one data set.

    Attributes:
      network: name of the row.
      column: name of the column.
      relation: `OTHER`, `WITHIN` or `SAME_FACES`: how the data are related to those that the
        network was trained on.
      accuracy: share of the images, with its interval.
      balanced_accuracy: mean recall over the classes with images, with its interval.
      count: number of images that were scored.
      largest_class: share of the most frequent class: what naming it always would reach.
      classes: the classes that were scored.
      left_out: class that the network lacks → images of it, which were not scored.
      absent: classes of the network that no image shows.
      trained_on: how many of the images the network was trained on, in words.
      warnings: what a reader must know before believing the numbers.
      directory: of the evaluation, relative to the matrix.
    """

    network: str
    column: str
    relation: str
    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    balanced_accuracy_interval: tuple[float, float]
    count: int
    largest_class: float
    classes: tuple[str, ...]
    left_out: dict[str, int]
    absent: tuple[str, ...]
    trained_on: str
    warnings: tuple[str, ...]
    directory: str


def cell_folder(network: Network, column: Column, config: MatrixConfig, out: Path) -> Path:
    """Returns the folder of a cell's evaluation.

    Its name ends in a digest of what the evaluation is computed from: parameters, images (names,
    labels, contents), split, augmentation. So a finished one is always that of this cell.
    """
    facts = [FORMAT, network.identity, column.identity, column.dataset, column.split]
    facts += [config.tta, config.on_bad_image]
    # How its own data are cut depends on the run.
    if network.own.dataset == column.dataset:
        facts += [json.dumps(asdict(network.own), sort_keys=True, default=str)]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    name = re.sub(r"[^\w.-]+", "_", f"{network.name}--{column.name}")[:80]
    return out / CELLS / f"{name}-{digest[:12]}"


def finished_report(folder: Path) -> dict[str, Any] | None:
    """Returns the report of a finished evaluation, or None."""
    try:
        return read_json_object(folder / "report.json", "")
    except UserError:
        return None  # never written, or its writing was stopped


def evaluate_cell(
    network: Network, column: Column, config: MatrixConfig, folder: Path
) -> dict[str, Any]:
    """Returns the report of a network on a data set, and writes it to `folder`.

    Raises:
      UserError: as `report_split`.
    """
    source = {"weights": network.source} if network.is_weights else {"workdir": network.source}
    report_split(
        EvalConfig(
            **source,
            dataset=column.dataset,
            data_dir=column.data_dir,
            split=column.split,
            on_bad_image=config.on_bad_image,
            tta=config.tta,
            checkpoint=config.checkpoint,
            out=str(folder),
            progress=config.progress,
        )
    )
    report = finished_report(folder)
    if report is None:
        raise UserError(f"{folder}: the evaluation left no report.json. Run the command again.")
    return report


def read_cell(network: Network, column: Column, report: dict[str, Any], folder: Path) -> Cell:
    """Returns what the matrix states of an evaluation, from its report."""
    scores = next(iter(report["results"][column.split].values()))
    support = {row["class"]: row["support"] for row in scores["per_class"]}
    shared = set(network.classes) & set(column.counts)
    seen = report["protocol"]["images trained on"]
    return Cell(
        network.name,
        column.name,
        relation(network, column),
        scores["accuracy"],
        tuple(scores["accuracy_interval"]),
        scores["mean_class_accuracy"],
        tuple(scores["intervals"]["balanced_accuracy"]),
        scores["count"],
        max(support.values()) / scores["count"],
        tuple(scores["classes"]),
        {name: n for name, n in column.counts.items() if n and name not in network.classes},
        tuple(name for name in network.classes if not support.get(name)),
        seen if isinstance(seen, str) else "; ".join(seen),
        (
            *report["warnings"],
            *_selected_on(network, column),
            *_other_images(column, shared, report, folder),
        ),
        folder.relative_to(folder.parents[1]).as_posix(),
    )


def relation(network: Network, column: Column) -> str:
    """Returns how the data of a column are related to those that a network was trained on."""
    own = network.own
    if own.dataset == column.dataset:
        if column.dataset != "folder" or own.data_dir is None or column.data_dir is None:
            return WITHIN
        # Folders of other people's are other data.
        same = Path(own.data_dir).resolve() == Path(column.data_dir).resolve()
        return WITHIN if same else OTHER
    both = {own.dataset, column.dataset}
    return SAME_FACES if any(both <= names for names in _SAME_FACES) else OTHER


def _selected_on(network: Network, column: Column) -> list[str]:
    """Returns a warning where the images of a column chose the network's epoch."""
    if column.split not in ("val", "all") or relation(network, column) == OTHER:
        return []
    return ["val of these faces selected the epoch: the scores are optimistic"]


def _other_images(
    column: Column, shared: set[str], report: dict[str, Any], folder: Path
) -> list[str]:
    """Returns a warning where a run's own cut of the data has other images than the column."""
    file = report["protocol"]["predictions"].partition(":")[0]
    with open(folder / file, newline="", encoding="utf-8") as rows:
        judged = {as_before(row["file"]) for row in csv.DictReader(rows)}
    expected = sum(n for name, n in column.counts.items() if name in shared)
    inside = len(judged & set(column.ids))
    if inside == len(judged) == expected:
        return []
    return [
        f"judged on {len(judged):,} images of the run's own cut, {inside:,} of them among the"
        f" {expected:,} of this column"
    ]
