"""Folders of other images judged by a run: whole, counted, beside each other, with predictions."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from ferjax.config.tool_configs import EvalConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def run_dir(tiny_run: Path, tmp_path: Path) -> Path:
    """Returns a copy of the tiny run that a test may change."""
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def faces(root: Path, *emotions: str, each: int = 4, seed: int = 0) -> Path:
    for emotion in emotions:
        (root / emotion).mkdir(parents=True)
        labels = np.full(each, EMOTIONS.index(emotion))
        for i, face in enumerate(render_faces(labels, seed + np.arange(each), size=48)):
            Image.fromarray(face).save(root / emotion / f"{i}.png")
    return root


def judge(run_dir: Path, folder: Path | None = None, **given: Any) -> dict[str, Any]:
    other = {} if folder is None else {"dataset": "folder", "data_dir": str(folder)}
    return run_evaluate(EvalConfig(str(run_dir), progress=False, **other, **given))


def rows_of(report: dict[str, Any], split: str) -> list[dict[str, str]]:
    path = Path(report["path"]).parent / f"predictions_{split}.csv"
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_judged_whole_and_its_predictions_give_the_scores(
    run_dir: Path, tmp_path: Path
) -> None:
    report = judge(run_dir, faces(tmp_path / "faces", *EMOTIONS[:3]))
    assert report["judged"] == [
        "all images (train 12) of folder (faces): 12 images: anger 4, disgust 4, fear 4"
    ]
    scores, rows = report["results"]["all"]["selected"], rows_of(report, "all")
    true, predicted = ([row[key] for row in rows] for key in ("label", "predicted"))
    assert [row["file"].split("/")[0] for row in rows] == true
    assert scores["count"] == len(rows) == 12
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    f1 = metrics.f1_score(true, predicted, average="macro", zero_division=0)
    assert scores["macro"]["f1"] == pytest.approx(f1)
    balanced = metrics.balanced_accuracy_score(true, predicted)
    assert scores["mean_class_accuracy"] == pytest.approx(balanced)
    for row in rows:
        numbers = {name: float(row[name]) for name in EMOTIONS[:3]}
        assert max(numbers, key=lambda name: numbers[name]) == row["predicted"]
        assert sum(numbers.values()) == pytest.approx(1, abs=1e-5)
    assert any("over all 7 classes of the network" in note for note in report["notes"])


def test_a_folder_of_one_class_is_scored_among_all_classes(run_dir: Path, tmp_path: Path) -> None:
    report = judge(run_dir, faces(tmp_path / "happy", "happiness"))
    scores = report["results"]["all"]["selected"]
    assert scores["classes"] == list(EMOTIONS[:7])
    predicted = [row["predicted"] for row in rows_of(report, "all")]
    assert scores["accuracy"] == predicted.count("happiness") / 4
    assert any("no image of anger, disgust, fear, sadness" in text for text in report["warnings"])
    assert not any("one class for every image" in text for text in report["warnings"])


def test_evaluations_stand_beside_each_other(run_dir: Path, tmp_path: Path) -> None:
    """Two folders of one name, two checkpoints, and more images in a folder that was judged."""
    first = faces(tmp_path / "a" / "faces", "anger", "fear", each=2)
    second = faces(tmp_path / "b" / "faces", "anger", "fear", each=2, seed=9)
    names = [
        Path(judge(run_dir, folder, **given)["path"]).parent.name
        for folder, given in (
            (first, {}),
            (second, {}),
            (first, {"checkpoint": "last"}),
            (first, {"tta": "flip"}),
            (first, {"split": "train"}),
            (first, {}),
        )
    ]
    shutil.copy(first / "anger" / "0.png", first / "anger" / "9.png")
    names.append(Path(judge(run_dir, first)["path"]).parent.name)
    assert names == [
        "folder-faces-all",
        "folder-faces-all-2",
        "folder-faces-all-last",
        "folder-faces-all-flip",
        "folder-faces-train",
        "folder-faces-all",
        "folder-faces-all-3",
    ]


def test_the_last_checkpoint_is_not_taken_for_the_runs_own_report(run_dir: Path) -> None:
    report = judge(run_dir, checkpoint="last")
    assert report["path"].endswith("evaluations/synthetic-test-last/report.md")


def test_out_is_the_folder_of_the_report(run_dir: Path, tmp_path: Path) -> None:
    """A run directory that cannot be written is judged elsewhere."""
    (run_dir / "evaluations").write_text("")  # no folder can be made there
    with pytest.raises(UserError, match=r"evaluations cannot be written .*--out=DIR"):
        judge(run_dir, split="val")
    kept = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    out = tmp_path / "out"
    assert judge(run_dir, split="val", out=str(out))["path"] == str(out / "report.md")
    assert judge(run_dir, split="val", out=str(out))["path"] == str(out / "report.md")
    with pytest.raises(UserError, match="is no earlier result of this evaluation"):
        judge(run_dir, split="test", out=str(out))
    own = tmp_path / "own"
    assert judge(run_dir, out=str(own))["path"] == str(own / "report.md")
    assert {"predictions_val.csv", "predictions_test.csv"} <= {p.name for p in own.iterdir()}
    with pytest.raises(UserError, match="is no earlier result of this evaluation"):
        judge(run_dir, out=str(out))
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == kept


def test_the_runs_own_limit_is_said_and_not_applied(
    tmp_path: Path, tiny_config: Callable[..., Any]
) -> None:
    from ferjax.experiment import run_train

    folder = faces(tmp_path / "own", "anger", "fear", each=12)
    config = tiny_config(
        tmp_path / "run",
        dataset="folder",
        data_dir=str(folder),
        limit=8,
        batch_size=4,
        epochs=1,
        val_fraction=0.25,
    )
    trained = run_train(config)
    assert trained["judged"] == ["val: 6 images: anger 3, fear 3"]
    with pytest.raises(UserError, match=r"no test split there, only train, val\. .* to judge val"):
        judge(tmp_path / "run", split="test")
    report = judge(tmp_path / "run", split="train")
    assert report["results"]["train"]["selected"]["count"] == 18
    assert any("own --limit=8 is not applied here" in note for note in report["notes"])
    # The run's own folder by another spelling is the run's own: its val is the one that was cut.
    spelt = tmp_path / "own" / ".." / "own"
    report = judge(tmp_path / "run", spelt)
    assert report["path"].endswith("evaluations/folder-val/report.md")
    assert report["results"]["val"]["selected"]["count"] == 6


def test_nothing_in_common(run_dir: Path, tmp_path: Path) -> None:
    for name in ("tired", "bored"):
        faces(tmp_path / "made", "anger")
        (tmp_path / "made" / "anger").rename(tmp_path / "made" / name)
    with pytest.raises(UserError, match=r"none of its images in all \(bored, tired\) shows"):
        judge(run_dir, tmp_path / "made")
    assert not (run_dir / "evaluations").exists()


def test_the_runs_val_is_found_where_its_images_lie_now(
    tmp_path: Path, tiny_config: Callable[..., Any]
) -> None:
    from ferjax.experiment import run_train

    folder = faces(tmp_path / "own", "anger", "fear", each=12)
    given = {"dataset": "folder", "data_dir": str(folder), "batch_size": 4, "epochs": 1}
    run_train(tiny_config(tmp_path / "run", **given, val_fraction=0.25))
    before = judge(tmp_path / "run", split="val")
    folder.rename(tmp_path / "moved")
    after = judge(tmp_path / "run", tmp_path / "moved", split="val")
    assert [row["file"] for row in rows_of(after, "val")] == [
        row["file"] for row in rows_of(before, "val")
    ]
    assert after["results"] == before["results"]
    whole = judge(tmp_path / "run", tmp_path / "moved")
    assert whole["results"]["all"]["selected"]["count"] == 24
    assert any("was trained on 18 of the 24 images" in text for text in whole["warnings"])
    with pytest.raises(UserError, match="folder has no val there, only train"):
        judge(tmp_path / "run", faces(tmp_path / "other", "anger", "fear", seed=99), split="val")
