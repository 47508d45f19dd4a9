"""Runs compared: numbers against SciPy, series of seeds and folds, and what is refused."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ferjax.config.compare_config import CompareConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.errors import UserError
from ferjax.evaluation.comparison.compare_runs import compare_runs
from ferjax.evaluation.comparison.read_predictions import read_predictions
from ferjax.report.intervals import wilson_interval

Drawn = Callable[..., Path]


def compared(out: Path, *folders: Path, **given: Any) -> dict[str, Any]:
    config = CompareConfig(out=str(out), **given)
    report = compare_runs(config, list(map(str, folders)))
    assert report["path"] == str(out / "report.md")
    saved = json.loads((out / "report.json").read_text("utf-8"))
    assert saved["runs"] == json.loads(json.dumps(report["runs"]))
    return report


def test_scores_and_tests_of_every_pair(drawn_run: Drawn, tmp_path: Path) -> None:
    rates = {"good": 0.8, "fair": 0.6, "alike": 0.76}
    folders = [
        drawn_run(tmp_path / name, rate, count=600, seed=k, epochs=3)
        for k, (name, rate) in enumerate(rates.items())
    ]
    report = compared(tmp_path / "out", *folders)
    right = []
    for folder, entry in zip(folders, report["runs"], strict=True):
        found = read_predictions(folder / "predictions_val.csv")
        right.append(found.predicted == found.labels)
        hits = int(right[-1].sum())
        assert entry["scores"]["accuracy"] == hits / 600
        assert entry["intervals"]["accuracy"] == list(wilson_interval(hits, 600))
        recall = [right[-1][found.labels == k].mean() for k in range(4)]
        assert list(entry["recall"].values()) == pytest.approx(recall)
    p_values = []
    for pair, (i, j) in zip(report["pairs"], ((0, 1), (0, 2), (1, 2)), strict=True):
        assert (pair["first"], pair["second"]) == (list(rates)[i], list(rates)[j])
        difference = right[i].mean() - right[j].mean()
        assert pair["accuracy"]["difference"] == pytest.approx(difference)
        only = int((right[i] & ~right[j]).sum()), int((right[j] & ~right[i]).sum())
        assert (pair["mcnemar"]["only_first"], pair["mcnemar"]["only_second"]) == only
        p_values.append(stats.binomtest(only[0], sum(only)).pvalue)
        assert pair["accuracy"]["p"] == pytest.approx(p_values[-1])
        theirs: Any = stats.bootstrap(
            (right[i].astype(float) - right[j],), np.mean, method="percentile", rng=0
        ).confidence_interval
        ours = pair["accuracy"]["low"], pair["accuracy"]["high"]
        assert ours == pytest.approx((theirs.low, theirs.high), abs=0.006)
        assert pair["macro_f1"]["low"] < pair["macro_f1"]["high"]
    smallest = min(p_values)
    assert min(pair["accuracy"]["holm"] for pair in report["pairs"]) == pytest.approx(3 * smallest)
    assert report["summary"].startswith("highest accuracy: good, ")
    assert "higher than fair beyond chance" in report["summary"]
    assert report["summary"].endswith("not than the other")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("report.md", "report.html", "report.json", "curves.png", "differences.png")
    }
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "| **good** | **fair** |" in page
    assert "| good | alike |" in page


def test_runs_of_equal_predictions_do_not_differ(drawn_run: Drawn, tmp_path: Path) -> None:
    folders = [drawn_run(tmp_path / name, seed=3) for name in "ab"]
    report = compared(tmp_path / "out", *folders)
    (pair,) = report["pairs"]
    assert pair["accuracy"] == {"difference": 0, "low": 0, "high": 0, "p": 1, "holm": 1}
    assert pair["mcnemar"] == {"only_first": 0, "only_second": 0, "p": 1}
    assert "no difference from the others is beyond chance" in report["summary"]
    assert not (tmp_path / "out" / "curves.png").exists()


def test_seeds_are_one_entry(drawn_run: Drawn, tmp_path: Path) -> None:
    for run, rate in (("wide", 0.8), ("narrow", 0.55)):
        for seed in range(3):
            drawn_run(tmp_path / run / f"seed_{seed}", rate, seed=10 * seed + int(100 * rate))
    single = drawn_run(tmp_path / "single", 0.7, seed=5)
    report = compared(tmp_path / "out", tmp_path / "wide", tmp_path / "narrow", single)
    wide, _, alone = report["runs"]
    assert wide["seeds"] == ["seed_0", "seed_1", "seed_2"]
    assert alone["seeds"] == []
    seeds = {
        name: [
            read_predictions(tmp_path / name / f"seed_{k}" / "predictions_val.csv").scores()[
                "accuracy"
            ]
            for k in range(3)
        ]
        for name in ("wide", "narrow")
    }
    assert wide["scores"]["accuracy"] == pytest.approx(np.mean(seeds["wide"]))
    assert wide["deviation"]["accuracy"] == pytest.approx(np.std(seeds["wide"], ddof=1))
    assert alone["deviation"]["accuracy"] is None
    both, with_single, _ = report["pairs"]
    assert "mcnemar" not in both
    assert both["accuracy"]["p"] == pytest.approx(2 / 10_001)
    theirs: Any = stats.ttest_ind(seeds["wide"], seeds["narrow"], equal_var=False)
    assert both["over_seeds"]["p"] == pytest.approx(theirs.pvalue)
    assert with_single["over_seeds"] is None
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "## Differences over seeds" in page
    assert " ± " in page


def test_folds_are_pooled_into_one_run(drawn_run: Drawn, tmp_path: Path) -> None:
    for fold in (1, 2):
        place = tmp_path / "folds" / f"fold_{fold:02}"
        drawn_run(place, count=100, first=100 * fold - 100, split="test", seed=fold)
        drawn_run(place, count=50, split="val")
    single = drawn_run(tmp_path / "single", split="test", seed=9)
    drawn_run(single, split="val")
    report = compared(tmp_path / "out", tmp_path / "folds", single)
    assert (report["split"], report["images"]) == ("test", 200)
    assert report["runs"][0]["seeds"] == []
    with pytest.raises(UserError, match="folds has test"):
        compared(tmp_path / "val", tmp_path / "folds", single, split="val")


def test_shared_images_are_compared_where_asked(drawn_run: Drawn, tmp_path: Path) -> None:
    one, other = drawn_run(tmp_path / "a"), drawn_run(tmp_path / "b", count=150, first=50)
    with pytest.raises(UserError, match=r"different images of val: 200 and 150, 150 in common"):
        compared(tmp_path / "out", one, other)
    assert not (tmp_path / "out").exists()
    report = compared(tmp_path / "out", one, other, shared=True)
    assert report["images"] == 150
    assert report["notes"] == [
        "a: 50 of its 200 images are left out, because another run lacks them"
    ]
    apart = drawn_run(tmp_path / "c", count=20, first=500)
    with pytest.raises(UserError, match="0 in common"):
        compared(tmp_path / "none", one, apart, shared=True)


def test_settings_curves_and_warnings_of_an_evaluation(drawn_run: Drawn, tmp_path: Path) -> None:
    config = {"model": "cnn3", "epochs": 5, "dataset": "fer|plus", "workdir": "x"}
    config |= {"data_dir": "/faces", "on_bad_image": "error", "tta": "none"}
    warned = {"config": config, "warnings": ["no test split", "smoke"]}
    run = drawn_run(tmp_path / "run", report=warned, epochs=4)
    flags = asdict(EvalConfig("y", tta="flip"))
    judged = {"config": flags, "warnings": ["no test split"]}
    place = drawn_run(run / "evaluations" / "fer-val-flip", seed=2, report=judged)
    report = compared(tmp_path / "out", run, place)
    assert report["settings"] == {"tta": ["none", "flip"]}
    assert report["title"] == "2 runs compared on fer|plus val, 200 images"
    assert report["warnings"] == ["run, fer-val-flip: no test split", "run: smoke"]
    assert (tmp_path / "out" / "curves.png").is_file()


def test_settings_that_an_evaluation_changes(drawn_run: Drawn, tmp_path: Path) -> None:
    config = {"model": "cnn3", "dataset": "fer2013", "data_dir": "/faces", "tta": "flip"}
    run = drawn_run(tmp_path / "run", report={"config": config})
    flags = asdict(EvalConfig("run", dataset="ferplus", checkpoint="last"))
    place = drawn_run(run / "evaluations" / "other", seed=2, report={"config": flags})
    assert compared(tmp_path / "out", run, place)["settings"] == {
        "dataset": ["fer2013", "ferplus"],
        "data_dir": ["/faces", None],
        "tta": ["flip", "none"],
        "checkpoint": [None, "last"],
    }


@pytest.mark.parametrize("values", [{"config": None}, {"config": 5}, {"warnings": None}])
@pytest.mark.parametrize("series", [False, True])
def test_a_damaged_report_is_named(
    values: dict[str, Any], series: bool, drawn_run: Drawn, tmp_path: Path
) -> None:
    one = drawn_run(tmp_path / "one", seed=1)
    other = tmp_path / "other"
    damaged = drawn_run(other / "seed_0" if series else other, seed=2, report=values)
    path = re.escape(str(damaged / "report.json"))
    with pytest.raises(UserError, match=rf"^{path}: a value is missing or does not fit"):
        compared(tmp_path / "out", one, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda draw, top: [draw(top / "a")], "two runs or more"),
        (lambda draw, top: [draw(top / "a"), top / "a"], "named twice"),
        (lambda draw, top: [draw(top / "a"), top / "nowhere"], "nowhere: no such folder"),
        (
            lambda draw, top: [draw(top / "a"), draw(top / "b", split="test")],
            "no split in common: .*a has val; .*b has test",
        ),
        (
            lambda draw, top: [
                draw(top / "a"),
                draw(top / "b", classes=("anger", "fear", "happiness", "neutral", "sadness")),
            ],
            "a and b have different classes: .*; and .*sadness",
        ),
    ],
)
def test_runs_that_cannot_be_compared(
    make: Callable[..., list[Path]], message: str, drawn_run: Drawn, tmp_path: Path
) -> None:
    folders = make(drawn_run, tmp_path)
    with pytest.raises(UserError, match=message):
        compared(tmp_path / "out", *folders)
    assert not (tmp_path / "out").exists()


def test_labels_that_differ_are_refused(drawn_run: Drawn, tmp_path: Path) -> None:
    one, other = (drawn_run(tmp_path / name) for name in "ab")
    path = other / "predictions_val.csv"
    head, first, *rest = path.read_text().splitlines()
    name, label, *values = first.split(",")
    changed = "fear" if label != "fear" else "anger"
    path.write_text("\n".join([head, ",".join([name, changed, *values]), *rest]) + "\n")
    with pytest.raises(UserError, match=f"1 of 200 images, {name} first: {label} and {changed}"):
        compared(tmp_path / "out", one, other)


def test_an_unfinished_run_and_a_folder_in_use_are_refused(
    drawn_run: Drawn, tmp_path: Path
) -> None:
    one = drawn_run(tmp_path / "a")
    (tmp_path / "b" / "checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match=r"b has no predictions: it is not finished"):
        compared(tmp_path / "out", one, tmp_path / "b")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="used is not empty"):
        compared(tmp_path / "used", one, drawn_run(tmp_path / "c", seed=1))
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["mine.txt"]


def test_names_tell_folders_of_one_name_apart(drawn_run: Drawn, tmp_path: Path) -> None:
    folders = [drawn_run(tmp_path / top / "run", seed=k) for k, top in enumerate("ab")]
    report = compared(tmp_path / "out", *folders)
    assert [entry["name"] for entry in report["runs"]] == ["a/run", "b/run"]
