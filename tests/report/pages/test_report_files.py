"""Reports of runs and of seeds: page, JSON, escaping."""

import copy
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.config.format_versions import FORMAT, KEY
from ferjax.errors import UserError
from ferjax.report.pages.markdown_tables import escape, table
from ferjax.report.pages.report_files import (
    to_json_types,
    write_report,
    write_seeds_and_folds_report,
)
from ferjax.report.scores import scores

CLASSES = ["anger", "a|b"]


def result(matrix, epoch, loss):
    return {**scores(np.array(matrix), CLASSES), "epoch": epoch, "loss": loss}


REPORT = {
    "title": "awei on rafdb",
    "summary": "test accuracy 71.43 % at the selected epoch",
    "protocol": {
        "selection": "val accuracy | ties to the earlier epoch",
        "classes": ["anger", "a|b"],
        "freeze": ".*/kernel",
    },
    "results": {
        "val": {
            "last": result([[3, 1], [1, 3]], 20, 0.98765),
            "selected": result([[4, 0], [1, 3]], 12, 0.87654),
        },
        "test": {
            "last": result([[1, 1], [1, 1]], 20, 1.5),
            "selected": result([[3, 1], [1, 2]], 12, 1.25),
        },
    },
    "config": {"model": "awei", "freeze": None, "batch_size": 8},
    "environment": {"jax": "0.10.2"},
    "warnings": ["the weights saw 3 images | of this test split"],
    "notes": ["no crops"],
    "figures": [
        {"file": "curves.png", "caption": "Loss and accuracy"},
        {"file": "confusion test.png", "caption": "Test [selected]"},
    ],
}

SEEDS = {
    "title": "three seeds",
    "summary": "test 70.00 ± 1.00 %",
    "kind": "seed",
    "rows": [
        {"seed": 0, "directory": "seed_0", "test_selected_accuracy": 0.69, "val_last_loss": 1.25},
        {"seed": 1, "directory": "seed_1", "test_selected_accuracy": 0.71, "val_last_loss": 1.5},
    ],
    "mean": {"test_selected_accuracy": 0.7, "val_last_loss": 1.375},
    "deviation": {"test_selected_accuracy": 0.01, "val_last_loss": float("nan")},
    "protocol": {"seeds": ["0", "1"]},
    "warnings": [],
}


def rows_of(page):
    """Returns the cells of every table line, split at the pipes that are not escaped."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_report_round_trip(tmp_path):
    page = write_report(REPORT, tmp_path / "run")
    assert page == tmp_path / "run" / "report.md"
    assert json.loads((tmp_path / "run" / "report.json").read_text("utf-8")) == {
        KEY: FORMAT,
        **REPORT,
    }
    names = {entry.name for entry in (tmp_path / "run").iterdir()}
    assert names == {"report.json", "report.md", "report.html"}


def test_report_page(tmp_path):
    page = write_report(REPORT, tmp_path).read_text("utf-8")
    rows = rows_of(page)
    assert page.startswith("# awei on rafdb\n\ntest accuracy 71.43 %")
    assert page.index("[!WARNING]") < page.index("## Results") < page.index("## Protocol")
    assert "> - the weights saw 3 images \\| of this test split" in page
    last = ["val", "last", "20", "75.00 %", "75.00 %", "75.00 %", "75.00 %", "0.9877", "8"]
    assert last in rows
    selected = next(row for row in rows if row[:2] == ["**test**", "**selected**"])
    assert selected[2:5] == ["**12**", "**71.43 %**", "**70.83 %**"]
    assert ["freeze", ".\\*/kernel"] in rows
    assert ["classes", "anger<br>a\\|b"] in rows
    assert ["a\\|b", "66.67 %", "66.67 %", "66.67 %", "3"] in rows
    assert ["anger", "**3**", "1"] in rows
    assert "![Loss and accuracy](curves.png)" in page
    assert "](confusion%20test.png)" in page
    assert "- no crops" in page
    assert page.count("<details>") == page.count("</details>") == 2
    assert '"batch_size": 8' in page
    assert page.endswith("</details>\n")


def with_certainty():
    """Returns REPORT with what evaluations add since probabilities are judged too."""
    report = copy.deepcopy(REPORT)
    report["results"]["test"]["selected"] |= {
        "accuracy_interval": [0.3589, 0.9178],
        "calibration": {
            "negative_log_likelihood": 1.25,
            "brier_score": 0.61239,
            "expected_calibration_error": 0.0456,
            "reliability": [],
            "by_class": [
                {
                    "class": "anger",
                    "classwise_error": 0.125,
                    "predicted": 7,
                    "top_label_error": 0.25,
                },
                {
                    "class": "a|b",
                    "classwise_error": 0.5,
                    "predicted": 0,
                    "top_label_error": None,
                },
            ],
        },
        "headline": {
            "accuracy": 0.71428,
            "balanced_accuracy": 0.70833,
            "macro_f1": 0.70833,
            "cohen_kappa": 0.41666,
            "top2_accuracy": 1.0,
            "roc_auc": None,
            "negative_log_likelihood": 1.25,
            "brier_score": 0.61239,
            "expected_calibration_error": 0.0456,
        },
        "intervals": {
            "accuracy": [0.3589, 0.9178],
            "balanced_accuracy": [0.4, 1.0],
            "macro_f1": [0.38, 1.0],
            "cohen_kappa": [-0.2, 1.0],
            "top2_accuracy": [0.6457, 1.0],
            "roc_auc": None,
            "negative_log_likelihood": [0.8, 1.7],
            "brier_score": [0.5, 0.7],
            "expected_calibration_error": [0.0, 0.1],
        },
        "calibrated": {
            "fitted_on": "val, 8 images",
            "temperature": 1.23456,
            "negative_log_likelihood": 1.1,
            "brier_score": 0.6,
            "expected_calibration_error": 0.03,
            "sets": {
                "asked": 0.9,
                "coverage": 0.857142,
                "interval": [0.4869, 0.9743],
                "by_class": {"anger": 1.0, "a|b": 0.66666},
                "mean_set_size": 1.4285,
                "sizes": [0.57, 0.43],
            },
        },
        "votes": {
            "images": 7,
            "kl_divergence": 0.43219,
            "cross_entropy": 1.12349,
            "network_with_majority": 0.75,
            "network_with_majority_of_others": 0.7,
            "annotator_with_majority_of_others": None,
        },
    }
    return report


def test_certainty_and_votes_have_a_row_where_they_are_known(tmp_path):
    rows = rows_of(write_report(with_certainty(), tmp_path).read_text("utf-8"))
    bold = [[cell.strip("*") for cell in row] for row in rows]
    assert ["score", "test"] in rows
    assert ["accuracy", "71.43 % (35.89 to 91.78)"] in rows
    assert ["Cohen's kappa", "0.4167 (-0.2000 to 1.0000)"] in rows
    assert ["ROC AUC, macro", "–"] in rows
    assert ["calibration error", "4.56 % (0.00 to 10.00)"] in rows
    plain = ["test", "selected", "as the network gives them", "–", "1.2500", "0.6124", "4.56 %"]
    assert plain in rows
    fitted = ["temperature of val, 8 images", "1.235", "1.1000", "0.6000", "3.00 %"]
    assert ["test", "selected", *fitted] in rows
    assert ["test", "selected", "anger", "12.50 %", "25.00 %", "7"] in rows
    assert ["test", "selected", "a\\|b", "50.00 %", "–", "0"] in rows
    sets = ["val, 8 images", "90 %", "85.71 % (48.69 to 97.43)", "1.43"]
    assert ["test", "selected", *sets] in rows
    agreement = ["0.4322", "1.1235", "75.00 %", "70.00 %", "–", "7"]
    assert ["test", "selected", *agreement] in bold
    per_class = ["a\\|b", "66.67 %", "66.67 %", "66.67 %", "66.67 %", "3"]
    assert ["class", "precision", "recall", "F1", "in 90 % sets", "images"] in rows
    assert per_class in rows
    before = write_report(REPORT, tmp_path / "before").read_text("utf-8")
    assert "calibration" not in before
    assert "votes" not in before


def test_every_table_is_rectangular(tmp_path):
    pages = [
        write_report(REPORT, tmp_path),
        write_report(with_certainty(), tmp_path / "certain"),
        write_seeds_and_folds_report(SEEDS, tmp_path / "seeds"),
    ]
    for page in pages:
        for block in page.read_text("utf-8").split("\n\n"):
            assert len({len(row) for row in rows_of(block)}) <= 1


def test_report_without_test_split_warnings_and_figures(tmp_path):
    report = copy.deepcopy(REPORT) | {"warnings": [], "figures": [], "notes": [], "config": {}}
    del report["results"]["test"]
    page = write_report(report, tmp_path).read_text("utf-8")
    assert "WARNING" not in page
    assert "## Figures" not in page
    assert "## Notes" not in page
    assert "Configuration" not in page
    assert "## Per class on val, selected epoch 12" in page
    assert "on test" not in page


def test_a_second_report_replaces_the_first(tmp_path):
    write_report(REPORT, tmp_path)
    write_report(REPORT | {"title": "again"}, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["title"] == "again"
    assert (tmp_path / "report.md").read_text("utf-8").startswith("# again\n")


def test_seeds_report(tmp_path):
    page = write_seeds_and_folds_report(SEEDS, tmp_path).read_text("utf-8")
    rows = rows_of(page)
    assert ["seed", "run", "test selected accuracy", "val last loss"] in rows
    assert ["0", "[seed_0](seed_0/report.md)", "69.00 %", "1.2500"] in rows
    assert ["**mean**", "", "**70.00 %**", "**1.3750**"] in rows
    assert ["**standard deviation**", "", "**1.00 %**", "**–**"] in rows
    saved = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert saved["deviation"]["val_last_loss"] is None
    assert saved["rows"] == SEEDS["rows"]


def test_an_unwritable_directory_is_the_users_error(tmp_path):
    (tmp_path / "run").write_text("a file, not a folder")
    with pytest.raises(UserError, match=r"cannot write .*report\.md"):
        write_report(REPORT, tmp_path / "run")


def test_to_json_types_returns_only_json_types(tmp_path):
    value = {"a": np.float32(0.5), 1: (np.arange(2), float("inf")), "p": tmp_path, "t": True}
    assert to_json_types(value) == {"a": 0.5, "1": [[0, 1], None], "p": str(tmp_path), "t": True}


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), max_size=3))
def test_escaped_cells_keep_the_table_intact(texts):
    page = table(["x", "y", "z"], [[escape(text) for text in row] for row in texts])
    # Some programs treat other characters as line ends; Markdown does not.
    lines = page.split("\n")
    assert len(lines) == 2 + len(texts)
    for line in lines:
        pipes = [m for m in re.finditer(r"(\\*)\|", line) if len(m[1]) % 2 == 0]
        assert len(pipes) == 4
