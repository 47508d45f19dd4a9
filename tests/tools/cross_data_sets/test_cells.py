"""One cell: how data and network are related, and files of an evaluation that are damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.tools.cross_data_sets import cells
from ferjax.tools.cross_data_sets.cells import OTHER, OTHER_LABELS, WITHIN, read_cell, relation
from ferjax.tools.cross_data_sets.columns import Column
from ferjax.tools.cross_data_sets.networks import Network

CLASSES: tuple[str, ...] = ("anger", "fear")


def network(dataset: str, data_dir: str | None = None, *, is_weights: bool = False) -> Network:
    config = TrainConfig(model="cnn3", dataset=dataset, data_dir=data_dir)
    return Network("net", "net", is_weights, config, CLASSES, 1, "")


def column(dataset: str, data_dir: str | None = None) -> Column:
    counts = dict.fromkeys(CLASSES, 1)
    return Column("all", dataset, data_dir, "all", "", "", (), counts, ("a.png", "b.png"), "")


@pytest.mark.parametrize(
    ("trained", "judged", "expected"),
    [
        (network("fer2013", "/a"), column("fer2013", "/b"), WITHIN),
        (network("fer2013", is_weights=True), column("fer2013", "/b"), WITHIN),
        (network("fer2013", "/a"), column("ferplus", "/b"), OTHER_LABELS),
        (network("fer2013", "/a"), column("rafdb", "/b"), OTHER),
        (network("fer2013", "/a"), column("folder", "/a"), OTHER),
        (network("synthetic"), column("synthetic"), WITHIN),
        (network("folder", "/a"), column("folder", "/a/../a"), WITHIN),
        (network("folder", "/a"), column("folder", "/b"), OTHER),
        # A weights file does not record the folder of its faces.
        (network("folder", is_weights=True), column("folder", "/b"), OTHER),
    ],
)
def test_relation_of_data_and_network(trained: Network, judged: Column, expected: str) -> None:
    assert relation(trained, judged) == expected


def test_a_run_on_the_folder_that_is_found_without_a_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERJAX_DATA", str(tmp_path))
    (tmp_path / "folder").mkdir()
    run = network("folder")
    assert relation(run, column("folder", str(tmp_path / "folder"))) == WITHIN
    assert relation(run, column("folder", str(tmp_path / "other"))) == OTHER


@pytest.fixture
def evaluated(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """Returns the folder of a finished evaluation, and its report."""
    scores = {
        "accuracy": 0.5,
        "accuracy_interval": [0.1, 0.9],
        "mean_class_accuracy": 0.5,
        "intervals": {"balanced_accuracy": [0.2, 0.8]},
        "count": 2,
        "classes": list(CLASSES),
        "per_class": [{"class": name, "support": 1} for name in CLASSES],
    }
    report = {
        "results": {"all": {"selected": scores}},
        "protocol": {"images trained on": "0 of 2", "predictions": "predictions_all.csv: file"},
        "warnings": [],
    }
    folder = tmp_path / cells.CELLS / "net"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "predictions_all.csv").write_text("file,label\na.png,anger\nb.png,fear\n")
    return folder, report


def test_a_cell_of_weights_warns_of_a_folder_that_may_be_their_own(
    evaluated: tuple[Path, dict[str, Any]],
) -> None:
    cell = read_cell(network("folder", is_weights=True), column("folder", "/b"), evaluated[0])
    assert (cell.accuracy, cell.balanced_accuracy_interval) == (0.5, (0.2, 0.8))
    assert cell.warnings == (
        "the weights do not record which folder they learned from: it may be this one",
    )
    assert not read_cell(network("fer2013", "/a"), column("rafdb", "/b"), evaluated[0]).warnings


@pytest.mark.parametrize(
    "change",
    [
        {"results": None},
        {"results": {"all": {}}},
        {"protocol": {}},
        {"warnings": None},
        {"scores": {"count": 0}},
        {"scores": {"accuracy": "half"}},
        {"scores": {"accuracy_interval": None}},
        {"scores": {"per_class": []}},
    ],
)
def test_a_damaged_report_is_one_error(
    change: dict[str, Any], evaluated: tuple[Path, dict[str, Any]]
) -> None:
    folder, report = evaluated
    report["results"]["all"]["selected"] |= change.pop("scores", {})
    (folder / "report.json").write_text(json.dumps({**report, **change}))
    with pytest.raises(UserError, match=r"report\.json: a value is missing or does not fit"):
        read_cell(network("fer2013"), column("rafdb"), folder)


@pytest.mark.parametrize("text", [None, "name\na.png\n"])
def test_a_damaged_table_of_predictions_is_one_error(
    text: str | None, evaluated: tuple[Path, dict[str, Any]]
) -> None:
    file = evaluated[0] / "predictions_all.csv"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(UserError, match="Run the command again"):
        read_cell(network("fer2013"), column("rafdb"), evaluated[0])
