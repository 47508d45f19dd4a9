"""Reports of several seeds or folds, against numpy and a confusion matrix summed by hand."""

from typing import Any

import numpy as np
import pytest

from ferjax.report.headline import HEADLINE
from ferjax.report.pages.report_files import write_seeds_and_folds_report
from ferjax.report.pages.seeds_and_folds_report import run_folder, seeds_and_folds_report
from ferjax.report.scores import scores

CLASSES = ("anger", "fear")
CONFUSIONS = ([[3, 1], [0, 4]], [[2, 2], [1, 3]], [[4, 0], [4, 0]])


def report(confusion: Any) -> dict[str, Any]:
    result = {**scores(np.array(confusion), CLASSES), "epoch": 2, "loss": 0.5}
    results = {split: {"last": result, "selected": result} for split in ("val", "test")}
    protocol = {"data set": "made", "seeds": "0"}
    return {"title": "net on made", "results": results, "protocol": protocol, "warnings": ["w"]}


@pytest.mark.parametrize(("kind", "folder"), [("seed", "seed_2"), ("fold", "fold_02")])
def test_mean_and_standard_deviation_equal_numpy(kind: str, folder: str) -> None:
    summary = seeds_and_folds_report(kind, {k: report(c) for k, c in enumerate(CONFUSIONS)})
    accuracies = [np.trace(c) / np.sum(c) for c in CONFUSIONS]
    assert summary["mean"]["test_selected_accuracy"] == pytest.approx(np.mean(accuracies))
    assert summary["deviation"]["test_last_accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    assert [row[kind] for row in summary["rows"]] == [0, 1, 2]
    assert summary["rows"][2]["directory"] == run_folder(kind, 2) == folder
    assert summary["protocol"][f"{kind}s"] == ["0", "1", "2"]
    assert summary["warnings"] == ["w"]
    assert "66.67 ± 19.09 %" in summary["summary"]


def test_folds_have_a_pooled_matrix_and_seeds_have_none(tmp_path: Any) -> None:
    reports = {k: report(c) for k, c in enumerate(CONFUSIONS, start=1)}
    assert seeds_and_folds_report("seed", reports)["pooled"] is None
    summary = seeds_and_folds_report("fold", reports)
    np.testing.assert_array_equal(summary["pooled"]["confusion"], np.sum(CONFUSIONS, 0))
    assert summary["pooled"]["accuracy"] == pytest.approx(16 / 24)
    page = write_seeds_and_folds_report(summary, tmp_path).read_text("utf-8")
    assert "## Per class on all folds' test images" in page
    assert "[fold_01](fold_01/report.md)" in page


def test_every_headline_score_has_mean_and_deviation(tmp_path: Any) -> None:
    reports = {k: report(c) for k, c in enumerate(CONFUSIONS)}
    briers, areas = (0.2, 0.4, 0.6), (0.7, None, 0.9)
    for made, brier, area in zip(reports.values(), briers, areas, strict=True):
        headline = {**dict.fromkeys(HEADLINE, 0.5), "brier_score": brier, "roc_auc": area}
        made["results"]["test"]["selected"]["headline"] = headline
    summary = seeds_and_folds_report("seed", reports)
    found = summary["scores"]["test"]["selected"]
    assert found["mean"]["brier_score"] == pytest.approx(np.mean(briers))
    assert found["deviation"]["brier_score"] == pytest.approx(np.std(briers, ddof=1))
    assert found["mean"]["roc_auc"] is None
    page = write_seeds_and_folds_report(summary, tmp_path).read_text("utf-8")
    assert "| Brier score | 0.4000 ± 0.2000 |" in page
    assert "| ROC AUC, macro | – |" in page


def test_one_run_has_no_standard_deviation() -> None:
    summary = seeds_and_folds_report("seed", {7: report(CONFUSIONS[0])})
    assert set(summary["deviation"].values()) == {None}
    assert "±" not in summary["summary"].partition(" (")[0]


def test_a_warning_of_some_runs_names_them() -> None:
    reports = {k: report(c) for k, c in enumerate(CONFUSIONS, start=1)}
    reports[2]["warnings"] = ["test has no image of fear", "w"]
    reports[3]["warnings"] = ["test has no image of fear", "w", "z"]
    found = seeds_and_folds_report("fold", reports)["warnings"]
    assert found == ["folds 2, 3: test has no image of fear", "w", "fold 3: z"]


def test_a_fold_without_a_class_can_reach_all_points() -> None:
    """scikit-learn's macro-F1 of a fold that has no fear and is all right is 1."""
    confusions = ([[4, 0], [0, 4]], [[8, 0], [0, 0]])
    summary = seeds_and_folds_report("fold", {k: report(c) for k, c in enumerate(confusions)})
    assert summary["mean"]["test_selected_macro_f1"] == 1
    assert summary["pooled"]["macro"]["f1"] == 1
