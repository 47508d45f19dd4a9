"""Reports of several runs against numpy and a hand-made pool."""

from typing import Any

import numpy as np
import pytest

from ferjax.report.pages.report_files import write_several_report
from ferjax.report.pages.seeds_and_folds_report import run_folder, several_report
from ferjax.report.scores import scores

CLASSES = ("anger", "fear")
CONFUSIONS = ([[3, 1], [0, 4]], [[2, 2], [1, 3]], [[4, 0], [4, 0]])


def report(confusion: Any) -> dict[str, Any]:
    found = {**scores(np.array(confusion), CLASSES), "epoch": 2, "loss": 0.5}
    results = {split: {"last": found, "selected": found} for split in ("val", "test")}
    protocol = {"data set": "made", "seeds": "0"}
    return {"title": "net on made", "results": results, "protocol": protocol, "warnings": ["w"]}


@pytest.mark.parametrize(("kind", "folder"), [("seed", "seed_2"), ("fold", "fold_02")])
def test_mean_and_deviation_are_numpys_over_the_runs(kind: str, folder: str) -> None:
    found = several_report(kind, {k: report(c) for k, c in enumerate(CONFUSIONS)})
    accuracies = [np.trace(c) / np.sum(c) for c in CONFUSIONS]
    assert found["mean"]["test_selected_accuracy"] == pytest.approx(np.mean(accuracies))
    assert found["deviation"]["test_last_accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    assert [row[kind] for row in found["rows"]] == [0, 1, 2]
    assert found["rows"][2]["directory"] == run_folder(kind, 2) == folder
    assert found["protocol"][f"{kind}s"] == ["0", "1", "2"]
    assert found["warnings"] == ["w"]
    assert "66.67 ± 19.09 %" in found["summary"]


def test_folds_are_pooled_into_one_matrix_and_seeds_are_not(tmp_path: Any) -> None:
    reports = {k: report(c) for k, c in enumerate(CONFUSIONS, start=1)}
    assert several_report("seed", reports)["pooled"] is None
    found = several_report("fold", reports)
    np.testing.assert_array_equal(found["pooled"]["confusion"], np.sum(CONFUSIONS, 0))
    assert found["pooled"]["accuracy"] == pytest.approx(16 / 24)
    page = write_several_report(found, tmp_path).read_text("utf-8")
    assert "## Per class on all folds' test images" in page
    assert "[fold_01](fold_01/report.md)" in page


def test_one_run_has_no_deviation() -> None:
    found = several_report("seed", {7: report(CONFUSIONS[0])})
    assert set(found["deviation"].values()) == {None}
    assert "±" not in found["summary"].partition(" (")[0]
