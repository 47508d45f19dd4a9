"""One cell of a matrix: the evaluation of one network on one data set, new or already finished."""

import csv
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ferjax.config.format_versions import FORMAT
from ferjax.config.given_files import fitting_values, read_json_object
from ferjax.config.matrix_config import MatrixConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.data.dataset_table import have_same_faces
from ferjax.errors import UserError
from ferjax.evaluation.evaluated_data import is_same_place
from ferjax.evaluation.split_report import report_split
from ferjax.report.spreadsheet_text import as_before
from ferjax.tools.cross_data_sets.columns import Column
from ferjax.tools.cross_data_sets.networks import Network

CELLS = "cells"
OTHER, WITHIN, OTHER_LABELS = "other data", "within the data set", "same faces, other labels"


@dataclass(frozen=True)
class Cell:
    """The scores of one network on one data set.

    Attributes:
      network: name of the row.
      column: name of the column.
      relation: `OTHER`, `WITHIN` or `OTHER_LABELS`: how the data are related to those that the
        network was trained on.
      accuracy: share of the images that are predicted right.
      accuracy_interval: 95 % interval of `accuracy`.
      balanced_accuracy: mean recall over the classes with images.
      balanced_accuracy_interval: 95 % interval of `balanced_accuracy`.
      count: number of images that were scored.
      largest_class: share of the most frequent class; always predicting it reaches this accuracy.
      classes: the classes that were scored.
      left_out: class that the network lacks → number of its images, which were not scored.
      absent: classes of the network that no image shows.
      trained_on: how many of the images the network was trained on, in words.
      warnings: warnings that limit what the scores show.
      directory: folder of the evaluation, relative to the folder of the matrix.
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

    Its name ends in a digest of the inputs of the evaluation: parameters, images (names, labels,
    contents), split, augmentation. A finished evaluation there is therefore always that of this
    cell.
    """
    facts = [FORMAT, network.identity, column.identity, column.dataset, column.split]
    facts += [config.tta, config.on_bad_image]
    # The config of a run decides how its own data set is divided into splits.
    if network.train_config.dataset == column.dataset:
        facts += [json.dumps(asdict(network.train_config), sort_keys=True, default=str)]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    name = re.sub(r"[^\w.-]+", "_", f"{network.name}--{column.name}")[:80]
    return out / CELLS / f"{name}-{digest[:12]}"


def evaluate_cell(network: Network, column: Column, config: MatrixConfig, folder: Path) -> None:
    """Evaluates a network on a data set, and writes the report to `folder`.

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


def read_cell(network: Network, column: Column, folder: Path) -> Cell:
    """Returns the cell of a finished evaluation from the files in its folder.

    Raises:
      UserError: the evaluation was not started or was stopped, or one of its files is damaged.
    """
    path, advice = folder / "report.json", "Run the command again."
    report = read_json_object(path, advice)
    with fitting_values(path, advice):
        (scores, *_) = report["results"][column.split].values()
        support = {row["class"]: int(row["support"]) for row in scores["per_class"]}
        shared = set(network.classes) & set(column.counts)
        trained_on = report["protocol"]["images trained on"]
        return Cell(
            network.name,
            column.name,
            relation(network, column),
            float(scores["accuracy"]),
            _bounds(scores["accuracy_interval"]),
            float(scores["mean_class_accuracy"]),
            _bounds(scores["intervals"]["balanced_accuracy"]),
            int(scores["count"]),
            max(support.values()) / int(scores["count"]),
            tuple(scores["classes"]),
            {
                name: count
                for name, count in column.counts.items()
                if count and name not in network.classes
            },
            tuple(name for name in network.classes if not support.get(name)),
            trained_on if isinstance(trained_on, str) else "; ".join(trained_on),
            (
                *report["warnings"],
                *_selected_on(network, column),
                *_other_images(column, shared, report, folder),
            ),
            folder.relative_to(folder.parents[1]).as_posix(),
        )


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """Returns the bounds of an interval in a report."""
    low, high = map(float, values)
    return low, high


def relation(network: Network, column: Column) -> str:
    """Returns how the data of a column are related to those that a network was trained on."""
    run_config = network.train_config
    if run_config.dataset == column.dataset == "folder":
        # The name says nothing about the data: only the same path holds the same data, and a
        # weights file does not record its path.
        is_own = is_same_place("folder", column.data_dir, run_config.data_dir)
        return WITHIN if is_own and not network.is_weights else OTHER
    if run_config.dataset == column.dataset:
        return WITHIN
    same_faces = have_same_faces(run_config.dataset, column.dataset)
    return OTHER_LABELS if same_faces else OTHER


def _selected_on(network: Network, column: Column) -> list[str]:
    """Returns a warning if the network's epoch was selected on images of the column, or may be."""
    if network.is_weights and network.train_config.dataset == column.dataset == "folder":
        return ["the weights do not record which folder they learned from: it may be this one"]
    if column.split not in ("val", "all") or relation(network, column) == OTHER:
        return []
    return ["val of these faces selected the epoch: the scores are optimistic"]


def _other_images(
    column: Column, shared: set[str], report: dict[str, Any], folder: Path
) -> list[str]:
    """Returns a warning if the run's own splits of the data hold other images than the column."""
    file = report["protocol"]["predictions"].partition(":")[0]
    try:
        with open(folder / file, newline="", encoding="utf-8") as rows:
            judged = {as_before(row["file"]) for row in csv.DictReader(rows)}
    except (OSError, csv.Error) as error:
        raise UserError(
            f"{folder / file} cannot be read ({error}). Run the command again."
        ) from None
    expected = sum(count for name, count in column.counts.items() if name in shared)
    in_column = len(judged & set(column.ids))
    if in_column == len(judged) == expected:
        return []
    return [
        f"judged on {len(judged):,} images of the run's own cut, {in_column:,} of them among the"
        f" {expected:,} of this column"
    ]
