"""`run_baseline` on drawn faces: report and predictions, a kill, taken folders, what is refused."""

import csv
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, log_loss
from sklearn.svm import SVC

from ferjax.baselines import baseline_report, run_baseline
from ferjax.baselines.baseline_folder import finished_baseline
from ferjax.baselines.feature_extraction import grey
from ferjax.baselines.phog import phog_features
from ferjax.config.baseline_config import BaselineConfig
from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.data.registry import load_dataset
from ferjax.data.synthetic import load_synthetic
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.evaluation import scores_and_figures
from ferjax.tools.gallery.read_run import read_run
from ferjax.training.run_directory.config_and_lock import read_config

FEW = {"train": 70, "val": 21, "test": 28}


@pytest.fixture(autouse=True)
def _few_faces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load_synthetic, "COUNTS", FEW)
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> BaselineConfig:
    """Returns the config of a finished baseline, with figures."""
    config = config_in(tmp_path_factory.mktemp("finished"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_synthetic, "COUNTS", FEW)
        patch.setenv("FERJAX_CACHE", str(Path(config.folder).parent / "cache"))
        run_baseline.run_baseline(config)
    return config


def config_in(folder: Path, **given: Any) -> BaselineConfig:
    small = {"features": "phog", "dataset": "synthetic", "image_size": 48, "progress": False}
    return BaselineConfig(**{**small, "workdir": str(folder / "run"), **given})


def report_of(config: BaselineConfig) -> dict[str, Any]:
    return json.loads((Path(config.folder) / "report.json").read_text("utf-8"))


def test_report_scores_are_those_of_the_predictions(finished: BaselineConfig) -> None:
    report = report_of(finished)
    assert list(report["results"]) == ["val", "test"]
    for split, kinds in report["results"].items():
        with open(Path(finished.folder) / f"predictions_{split}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        classes = kinds["selected"]["classes"]
        assert len(rows) == FEW[split]
        true = [classes.index(row["label"]) for row in rows]
        probabilities = np.array([[float(row[name]) for name in classes] for row in rows])
        predicted = probabilities.argmax(1)
        assert [classes[k] for k in predicted] == [row["predicted"] for row in rows]
        scores = kinds["selected"]
        assert scores["accuracy"] == pytest.approx(accuracy_score(true, predicted))
        loss = log_loss(true, probabilities / probabilities.sum(1, keepdims=True),
                        labels=range(len(classes)))  # fmt: skip
        assert scores["loss"] == pytest.approx(loss, abs=1e-4)
        assert {"calibration", "accuracy_interval", "confusion"} <= scores.keys()


def test_report_states_the_protocol(finished: BaselineConfig) -> None:
    report, folder = report_of(finished), Path(finished.folder)
    protocol = report["protocol"]
    assert "neither val nor test" in protocol["selection"]
    assert "5 parts of train, stratified by class" in protocol["selection"]
    assert "8 bins over 360 degrees, levels 0 to 3" in protocol["features"]
    assert len(protocol["cross-validation"]) == len(
        (folder / "cross_validation.jsonl").read_text().splitlines()
    )
    assert report["environment"]["versions"]["scikit-learn"] != "not installed"
    assert report["config"]["model"] == "phog_svm"
    for figure in report["figures"]:
        assert (folder / figure["file"]).is_file()
        assert "epoch" not in figure["caption"]
    assert not {"in the paper"} & protocol.keys()
    page = (folder / "report.md").read_text()
    assert "| **test** | **selected** | **–** |" in page
    assert "## Per class on test\n" in page
    assert (folder / "report.html").is_file()
    assert json.loads((folder / "splits.json").read_text())["splits"]["train"]["images"] == 70


def test_readers_of_runs_know_a_baseline(finished: BaselineConfig) -> None:
    row = read_run(Path(finished.folder))
    assert (row.reason, row.network, row.epochs) == ("", "phog_svm", "–")
    with pytest.raises(UserError, match=r"launch\.baseline"):
        read_config(Path(finished.folder))


def test_a_finished_folder_is_kept_and_its_report_found(finished: BaselineConfig) -> None:
    before = {path: path.read_bytes() for path in Path(finished.folder).iterdir()}
    with pytest.raises(UserError, match=r"finished.*another folder"):
        run_baseline.run_baseline(finished)
    with pytest.raises(UserError, match="kernel: rbf → linear"):
        run_baseline.run_baseline(replace(finished, kernel="linear"))
    assert {path: path.read_bytes() for path in Path(finished.folder).iterdir()} == before
    report = finished_baseline(finished)
    assert report is not None
    assert report["path"] == str(Path(finished.folder) / "report.md")
    assert finished_baseline(replace(finished, workdir=str(Path(finished.folder) / "no"))) is None


@pytest.mark.usefixtures("no_figures")
def test_a_killed_baseline_goes_on_and_ends_the_same(
    finished: BaselineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_in(tmp_path)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_baseline, "fit_temperature", killed)
        with pytest.raises(KeyboardInterrupt):
            run_baseline.run_baseline(config)
    assert not (Path(config.folder) / "report.json").exists()
    assert finished_baseline(config) is None
    assert "launch.baseline" in str(read_run(Path(config.folder)).reason)
    run_baseline.run_baseline(config)
    other = report_of(finished)
    for part in ("results", "protocol"):
        assert report_of(config)[part] == other[part]


@pytest.mark.usefixtures("no_figures")
def test_changed_data_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(run_baseline, "cross_validate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_baseline.run_baseline(config)
    monkeypatch.setattr(load_synthetic, "COUNTS", {**FEW, "train": 77})
    with pytest.raises(UserError, match=r"data have changed.*7 images added"):
        run_baseline.run_baseline(config)


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    Path(config.folder).mkdir()
    (Path(config.folder) / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds other files \(thesis.txt"):
        run_baseline.run_baseline(config)
    assert os.listdir(config.folder) == ["thesis.txt"]
    with pytest.raises(UserError, match="is a file"):
        run_baseline.run_baseline(replace(config, workdir=str(tmp_path / "run" / "thesis.txt")))


@pytest.mark.usefixtures("no_figures")
def test_limit_cuts_train_alone_and_is_stamped(tmp_path: Path) -> None:
    config = config_in(tmp_path, limit=42, kernel="linear", lpq_cells=2, features="lpq")
    report = run_baseline.run_baseline(config)
    assert "train: drawn faces" not in report["protocol"]["splits"][0]
    assert "(42 images)" in report["protocol"]["splits"][0]
    assert report["results"]["test"]["selected"]["count"] == FEW["test"]
    assert any("--limit=42" in warning for warning in report["warnings"])
    assert "liblinear" in report["protocol"]["classifier"]


@pytest.fixture
def sfew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns a tree like SFEW 1.0 of drawn faces, two of each class for test."""
    names = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
    emotions = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    monkeypatch.setitem(PUBLISHED, "sfew1", {"all": dict.fromkeys(emotions, 10)})
    for name, emotion in zip(names, emotions, strict=True):
        (tmp_path / "SFEW" / name).mkdir(parents=True)
        label = np.full(10, EMOTIONS.index(emotion))
        for k, face in enumerate(render_faces(label, np.arange(10) + 40, size=40)):
            Image.fromarray(face).save(tmp_path / "SFEW" / name / f"{k}.png")
    return tmp_path / "SFEW"


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(("name", "printed"), [("lpq", "46.3 %"), ("phog", "43.7 %")])
def test_papers_number_stands_beside_ours(
    name: str, printed: str, sfew: Path, tmp_path: Path
) -> None:
    config = config_in(tmp_path, features=name, dataset="sfew", data_dir=str(sfew), limit=35)
    report = run_baseline.run_baseline(config)
    assert f"the paper prints {printed}" in report["summary"]
    assert printed in report["protocol"]["in the paper"]
    assert "reading" in report["protocol"]["readings"]


@pytest.mark.usefixtures("no_figures")
def test_papers_number_does_not_stand_beside_release_2(sfew: Path, tmp_path: Path) -> None:
    (sfew / "Train").mkdir()
    for folder in [path for path in sfew.iterdir() if path.name != "Train"]:
        folder.rename(sfew / "Train" / folder.name)
    shutil.copytree(sfew / "Train", sfew / "Val")
    config = config_in(tmp_path, features="lpq", dataset="sfew", data_dir=str(sfew), limit=35)
    report = run_baseline.run_baseline(config)
    assert report["protocol"]["data set"].startswith("sfew, 2.0")
    assert "the paper" not in report["summary"]
    assert "in the paper" not in report["protocol"]


def folder_of_classes(root: Path, counts: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for split, (name, count) in [(s, c) for s in ("train", "val") for c in counts.items()]:
        (root / split / name).mkdir(parents=True)
        for k in range(count):
            Image.fromarray(rng.integers(0, 255, (24, 24), np.uint8)).save(
                root / split / name / f"{k}.png"
            )
    return root


@pytest.mark.usefixtures("no_figures")
def test_data_without_test_are_judged_on_val(tmp_path: Path) -> None:
    root = folder_of_classes(tmp_path / "data", {"happy": 8, "sad": 8})
    config = config_in(tmp_path, dataset="folder", data_dir=str(root))
    report = run_baseline.run_baseline(config)
    assert list(report["results"]) == ["val"]
    assert report["protocol"]["test"] == "not on disk"


def test_one_class_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of_classes(tmp_path / "data", {"happy": 8})
    config = config_in(tmp_path, dataset="folder", data_dir=str(root))
    with pytest.raises(UserError, match=r"happiness|one class|two or more"):
        run_baseline.run_baseline(config)
    assert not Path(config.folder).exists()


def test_too_many_images_for_the_kernel_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_baseline, "MOST_FOR_RBF", 69)
    with pytest.raises(UserError, match=r"70 training images.*--limit=69.*--kernel=linear"):
        run_baseline.run_baseline(config_in(tmp_path))
    assert not (tmp_path / "run").exists()


def test_figures_are_patched_where_they_are_drawn() -> None:
    # `no_figures` replaces the functions of this module; the report must draw through it alone.
    drawn = [name for name in vars(baseline_report) if name.startswith("draw_")]
    assert not drawn
    assert any(name.startswith("draw_") for name in vars(scores_and_figures))


@pytest.mark.usefixtures("no_figures")
def test_the_whole_is_a_pipeline_of_scikit_learn(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    report = run_baseline.run_baseline(config)
    faces = load_dataset("synthetic", image_size=48)
    inputs = {
        name: phog_features(grey(split.read(np.arange(len(split)))))
        for name, split in faces.splits.items()
    }
    train = faces.splits["train"]
    c, gamma = re.findall(r"[\d.]+", report["protocol"]["selection"])[:2]
    machine = SVC(C=float(c), gamma=float(gamma)).fit(inputs["train"], train.labels)
    for name in ("val", "test"):
        decisions = machine.decision_function(inputs[name])
        labels = faces.splits[name].labels
        scores = report["results"][name]["selected"]
        assert scores["accuracy"] == pytest.approx((decisions.argmax(1) == labels).mean())
    assert max(report["results"][name]["selected"]["accuracy"] for name in ("val", "test")) > 0.2
