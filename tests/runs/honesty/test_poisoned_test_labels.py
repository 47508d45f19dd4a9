"""Wrong labels of a third of the test images change the scores of test, and nothing else at all.

The two run directories are compared file by file. Times, rates and memory differ between any two
runs and are left out.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.predict import load_run
from ferjax.training.run_directory.checkpoints import read_meta
from ferjax.training.run_directory.metrics_jsonl import read_lines

# Of nine images three, one of each class.
WRONG = np.arange(210) % 9 < 3
# Of lines of metrics.jsonl, and of the meta of a checkpoint.
MEASURED_IN_LINES = {"images_per_second", "flop_utilisation", "seconds", "peak_bytes"}
MEASURED_IN_META = {"seconds", "saved", "spent", "waited", "program"}
# Parts of report.json that may differ: what is said of test, and of the machine's time.
OF_TEST = ("results.test", "summary", "warnings", "judged", "protocol.splits")
OF_TIME = ("finished", "environment", "costs", "config.workdir")


@pytest.fixture(scope="module")
def poisoned_run(
    train_with: Callable[..., Any],
    true_labels: dict[str, np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Returns the directory of a run with wrong labels for a third of the test images."""
    labels = np.where(WRONG, (true_labels["test"] + 1) % 3, true_labels["test"])
    assert WRONG.mean() == pytest.approx(1 / 3, abs=0.01)
    run_dir = tmp_path_factory.mktemp("poisoned") / "run"
    train_with(run_dir, {"test": labels})
    return run_dir


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yields the places, such as `results.test.last.loss`, at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), f"{place}.{key}".strip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}.{number}")
    elif one != other:
        yield place


def read_json(run_dir: Path, name: str) -> Any:
    return json.loads((run_dir / name).read_text("utf-8"))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_both_runs_have_the_same_files_and_the_same_bits(
    true_run: Path, poisoned_run: Path
) -> None:
    """Weights of every checkpoint, settings, training, val, and the selected epoch."""
    names = [
        sorted(path.name for path in run.iterdir() if path.name != "checkpoints")
        for run in (true_run, poisoned_run)
    ]
    assert names[0] == names[1]
    steps = [
        sorted(path.name for path in (run / "checkpoints").iterdir())
        for run in (true_run, poisoned_run)
    ]
    assert steps[0] == steps[1]
    for which in ("selected", "last"):
        one, other = (load_run(run, which) for run in (true_run, poisoned_run))
        jax.tree.map(np.testing.assert_array_equal, one.variables, other.variables)
    for step in map(int, filter(str.isdigit, steps[0])):
        one, other = (read_meta(run, step)[1] for run in (true_run, poisoned_run))
        assert {place.split(".")[0] for place in differences(one, other)} <= MEASURED_IN_META
    lines = [
        [{k: v for k, v in line.items() if k not in MEASURED_IN_LINES} for line in read_lines(run)]
        for run in (true_run, poisoned_run)
    ]
    assert lines[0] == lines[1]
    configs = [read_json(run, "config.json") for run in (true_run, poisoned_run)]
    assert set(differences(*configs)) <= {"workdir"}
    val = [(run / "predictions_val.csv").read_bytes() for run in (true_run, poisoned_run)]
    assert val[0] == val[1]


def test_the_report_differs_in_what_it_says_of_test_alone(
    true_run: Path, poisoned_run: Path
) -> None:
    reports = [read_json(run, "report.json") for run in (true_run, poisoned_run)]
    places = set(differences(*reports))
    assert [place for place in places if not place.startswith((*OF_TEST, *OF_TIME))] == []
    epochs = [report["results"]["test"]["selected"]["epoch"] for report in reports]
    assert epochs[0] == epochs[1]
    accuracies = [report["results"]["test"]["selected"]["accuracy"] for report in reports]
    assert accuracies[1] < accuracies[0] - 0.15


def test_the_predictions_of_test_differ_in_their_labels_alone(
    true_run: Path, poisoned_run: Path
) -> None:
    one, other = (
        rows((run / "predictions_test.csv").read_text("utf-8")) for run in (true_run, poisoned_run)
    )
    changed = [a["label"] != b["label"] for a, b in zip(one, other, strict=True)]
    assert changed == WRONG.tolist()
    assert [{**row, "label": ""} for row in one] == [{**row, "label": ""} for row in other]


def test_the_record_of_the_images_differs_in_labels_of_test_alone(
    true_run: Path, poisoned_run: Path
) -> None:
    one, other = (
        rows(gzip.decompress((run / "splits.csv.gz").read_bytes()).decode())
        for run in (true_run, poisoned_run)
    )
    different = [a for a, b in zip(one, other, strict=True) if a != b]
    assert len(different) == WRONG.sum()
    assert {row["split"] for row in different} == {"test"}
    summaries = [read_json(run, "splits.json") for run in (true_run, poisoned_run)]
    assert {place[:12] for place in differences(*summaries)} == {"splits.test."}
