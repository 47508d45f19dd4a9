"""`run_evaluate`: any split or data set, shared classes, and a run that it leaves alone."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import join_splits
from ferjax.data.synthetic import load_synthetic
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.evaluation import evaluated_data
from ferjax.experiment import run_evaluate, run_train
from ferjax.images.test_time_augmentation import VIEWS
from ferjax.predict import load_predictor
from ferjax.report.pages.markdown_tables import escape

Tiny = Callable[..., TrainConfig]
FEW = {"train": 40, "val": 16, "test": 24}


@pytest.fixture(autouse=True)
def _few_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_synthetic, "COUNTS", FEW)


@pytest.fixture
def run_dir(tiny_run: Path, tmp_path: Path) -> Path:
    """Returns a copy of the tiny run that a test may change."""
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


@pytest.fixture(scope="module")
def run_of_eight(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_config: Tiny,
    without_figures: Callable[[], Any],
) -> Path:
    """Returns a run that knows contempt, made on one device in batches of 6."""
    run_dir = tmp_path_factory.mktemp("eight") / "run"
    config = tiny_config(run_dir, num_classes=8, batch_size=6, epochs=1, normalization="unit")
    with without_figures(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_synthetic, "COUNTS", FEW)
        run_train(config, jax.devices()[:1])
    return run_dir


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("split", "checkpoint", "count"),
    [("test", "selected", 24), ("val", "last", 16), ("train", "selected", 40), ("all", "last", 80)],
)
def test_a_split_is_evaluated_beside_the_run(
    split: str, checkpoint: str, count: int, run_dir: Path
) -> None:
    before = digests(run_dir)
    config = EvalConfig(str(run_dir), split=split, checkpoint=checkpoint, progress=False)
    report = run_evaluate(config)
    suffix = "" if checkpoint == "selected" else "-last"
    folder = run_dir / "evaluations" / f"synthetic-{split}{suffix}"
    assert report["path"] == str(folder / "report.md")
    assert {path.name for path in folder.iterdir()} == {
        ".inputs",
        "report.json",
        "report.md",
        "report.html",
        f"confusion_{split}.png",
        f"ranking_{split}.png",
        f"reliability_{split}.png",
        "mistakes.png",
        f"predictions_{split}.csv",
    }
    after = digests(run_dir)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith("evaluations/") for name in set(after) - set(before))
    splits = load_dataset("synthetic", image_size=48).splits
    images = join_splits(list(splits.values()), "all") if split == "all" else splits[split]
    predicted = load_predictor(run_dir, checkpoint)(images.read(np.arange(count))).argmax(-1)
    confusion = np.zeros((7, 7), int)
    np.add.at(confusion, (images.labels, predicted), 1)
    scores = report_of(folder)["results"][split][checkpoint]
    assert scores["confusion"] == confusion.tolist()
    assert scores["accuracy"] == pytest.approx((predicted == images.labels).mean())


def test_test_images_that_selected_are_not_measured_with_values_fitted_on_them(
    tmp_path: Path, tiny_config: Tiny, without_figures: Callable[[], Any]
) -> None:
    """By protocols that select on test, val and test are the same images."""
    run_dir = tmp_path / "run"
    with without_figures():
        report = run_train(tiny_config(run_dir, epochs=1, protocol="select_on_test"))
        again = run_evaluate(EvalConfig(str(run_dir), split="test", progress=False))
    val, test = (report["results"][name]["selected"]["calibrated"] for name in ("val", "test"))
    assert test == val == again["results"]["test"]["selected"]["calibrated"]
    assert test["fitted_on"] == "the other half of these images"


def test_without_flags_the_report_is_made_anew(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    before, kept = report_of(run_dir), digests(run_dir)
    (run_dir / "curves.png").unlink()
    (run_dir / "report.md").write_text("")
    report = run_evaluate(EvalConfig(str(run_dir), progress=False))
    assert report["path"] == str(run_dir / "report.md")
    assert (run_dir / "report.md").read_text("utf-8").startswith("# cnn3 on synthetic")
    assert report_of(run_dir)["results"] == before["results"]
    after = digests(run_dir)
    assert set(after) == set(kept)
    rewritten = {name for name in kept if after[name] != kept[name]}
    assert not any(name.endswith(".csv") for name in rewritten)
    pages = {"report.json", "report.md", "report.html"}
    assert rewritten <= pages | {n for n in kept if n.endswith(".png")}


@pytest.mark.parametrize("tta", ["flip", pytest.param("ten_crop", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("no_figures")
def test_a_runs_own_report_holds_test_time_augmentation_beside_the_plain_numbers(
    tta: str, run_dir: Path, tiny_config: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished run gets it by --resume --tta, without a step of training."""
    monkeypatch.undo()
    plain, kept = report_of(run_dir), digests(run_dir)
    config = tiny_config(run_dir, model="cnn3", image_size=48, resume=True, tta=tta)
    report = run_train(config)
    assert report["path"] == str(run_dir / "report.md")
    after = digests(run_dir)
    data = [name for name in kept if name.startswith(("checkpoints/", "metrics"))]
    assert {name: after[name] for name in data} == {name: kept[name] for name in data}
    for name, kinds in report["results"].items():
        assert list(kinds) == ["last", "selected", f"last+{tta}", f"selected+{tta}"]
        for which in ("last", "selected"):
            assert kinds[which] == plain["results"][name][which]
            scores = kinds[f"{which}+{tta}"]
            assert scores["epoch"] == kinds[which]["epoch"]
            assert scores["count"] == kinds[which]["count"]
            assert scores["loss"] != kinds[which]["loss"]
    assert "without test-time augmentation" in report["protocol"]["selection"]
    assert f"+{tta}" in report["protocol"]["test-time augmentation"]
    assert f"{len(VIEWS[tta])} views" in report["protocol"]["test-time augmentation"]
    assert f"; {tta}: " in report["summary"]
    assert f"| {escape(f'selected+{tta}')} |" in (run_dir / "report.md").read_text("utf-8")
    again = run_evaluate(EvalConfig(str(run_dir), progress=False))
    assert again["results"] == report["results"] == report_of(run_dir)["results"]
    assert again["protocol"] == report["protocol"]
    assert run_train(config)["results"] == report["results"]


@pytest.mark.usefixtures("no_figures")
def test_augmented_numbers_of_the_report_are_the_predictors(
    tmp_path: Path, tiny_config: Tiny
) -> None:
    config = tiny_config(tmp_path / "run", smoke=False, epochs=2, batch_size=8, tta="flip")
    report = run_train(config)
    test = load_dataset("synthetic", image_size=32).splits["test"]
    images, rows = test.read(np.arange(len(test))), np.arange(len(test))
    for which in ("last", "selected"):
        predictor = load_predictor(tmp_path / "run", which)
        # The oracle mirrors by hand.
        found = (predictor(images) + predictor(images[:, :, ::-1])) / 2
        confusion = np.zeros((7, 7), int)
        np.add.at(confusion, (test.labels, found.argmax(-1)), 1)
        scores = report["results"]["test"][f"{which}+flip"]
        assert scores["confusion"] == confusion.tolist()
        loss = -np.log(found[rows, test.labels]).mean()
        assert scores["loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.usefixtures("no_figures")
def test_images_of_a_class_the_network_lacks_are_left_out(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of seven on faces of eight: 3 of 24 show contempt."""
    eight = load_synthetic.load(48, 8)
    monkeypatch.setattr(evaluated_data, "load_dataset", lambda *_, **__: eight)
    report = run_evaluate(EvalConfig(str(run_dir), split="test", progress=False))
    scores = report["results"]["test"]["selected"]
    assert scores["count"] == 21
    assert scores["classes"] == list(EMOTIONS[:7]) == report["protocol"]["classes"]
    left_out = "left out, of classes that the network lacks: 3 images: contempt 3"
    assert left_out in report["notes"]


@pytest.mark.usefixtures("no_figures")
def test_classes_the_data_lack_are_left_out_of_the_softmax(run_of_eight: Path) -> None:
    """A network of eight on faces of seven; it was trained in batches four devices cannot share."""
    monkeypatched = load_synthetic.load(32, 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluated_data, "load_dataset", lambda *_, **__: monkeypatched)
        report = run_evaluate(EvalConfig(str(run_of_eight), split="test", progress=False))
    scores = report["results"]["test"]["selected"]
    assert scores["count"] == 24
    assert scores["classes"] == list(EMOTIONS[:7])
    assert any("shared classes only" in note for note in report["notes"])
    test = monkeypatched.splits["test"]
    shared = load_predictor(run_of_eight)(test.read(np.arange(24)))[:, :7].astype(np.float64)
    shared /= shared.sum(-1, keepdims=True)
    loss = -np.log(shared[np.arange(24), test.labels]).mean()
    assert scores["loss"] == pytest.approx(loss, rel=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_a_run_is_redrawn_on_devices_its_batch_does_not_fit(run_of_eight: Path) -> None:
    before = report_of(run_of_eight)["results"]
    run_evaluate(EvalConfig(str(run_of_eight), progress=False))
    assert report_of(run_of_eight)["results"].keys() == before.keys()


@pytest.mark.usefixtures("no_figures")
def test_another_data_set(run_dir: Path, tmp_path: Path, make_rafdb: Callable[..., Path]) -> None:
    tree = make_rafdb(tmp_path / "raf")
    config = EvalConfig(str(run_dir), dataset="rafdb", data_dir=str(tree), progress=False)
    report = run_evaluate(config)
    assert report["path"] == str(run_dir / "evaluations" / "rafdb-raf-all" / "report.md")
    assert report["results"]["all"]["selected"]["count"] == 42
    assert report["protocol"]["trained on"] == "synthetic"
    assert report["protocol"]["split"] == "all: all images (train 35, test 7), 42 images"
    (judged,) = report["judged"]
    assert judged.startswith("all images (train 35, test 7) of rafdb (raf): 42 images: anger 6, ")
    test = run_evaluate(replace(config, split="test"))
    assert test["path"].endswith("evaluations/rafdb-raf-test/report.md")
    assert test["results"]["test"]["selected"]["count"] == 7
    shutil.rmtree(tree / "DATASET" / "test")
    with pytest.raises(UserError, match="rafdb has no test split there, only train"):
        run_evaluate(replace(config, split="test"))
    with pytest.raises(UserError, match=r"--split=val: rafdb has no val there, only train, and no"):
        run_evaluate(replace(config, split="val"))


@pytest.mark.usefixtures("no_figures")
def test_a_report_says_how_far_probabilities_can_be_believed(run_dir: Path) -> None:
    report = run_evaluate(EvalConfig(str(run_dir), split="val", progress=False))
    scores = report_of(Path(report["path"]).parent)["results"]["val"]["selected"]
    low, high = scores["accuracy_interval"]
    assert 0 <= low <= scores["accuracy"] <= high <= 1
    found = scores["calibration"]
    assert found["negative_log_likelihood"] == pytest.approx(scores["loss"])
    assert sum(row["count"] for row in found["reliability"]) == scores["count"]
    assert 0 <= found["expected_calibration_error"] <= 1
    assert 0 <= found["brier_score"] <= 2
    assert "votes" not in scores
    page = Path(report["path"]).read_text("utf-8")
    assert f"({100 * low:.2f} to {100 * high:.2f})" in page
    assert scores["headline"].keys() == scores["intervals"].keys()
    assert scores["headline"]["accuracy"] == scores["accuracy"]
    assert scores["intervals"]["accuracy"] == scores["accuracy_interval"]


@pytest.mark.usefixtures("no_figures")
def test_ferplus_is_compared_with_its_votes(run_dir: Path, tmp_path: Path) -> None:
    """The network lacks contempt: its images are left out, and votes for it are too."""
    folder = tmp_path / "FER2013Valid"
    folder.mkdir()
    votes = np.diag([7] * 8 + [0, 0])[:8] + np.eye(10, k=1, dtype=int)[:8] * 3
    for row, counts in enumerate(votes):
        Image.fromarray(np.full((48, 48), 20 * row, np.uint8)).save(folder / f"fer{row:07d}.png")
        with (folder / "label.csv").open("a", encoding="utf-8") as file:
            file.write(f"fer{row:07d}.png,{','.join(map(str, counts))}\n")
    config = EvalConfig(str(run_dir), "ferplus", str(tmp_path), progress=False)
    report = run_evaluate(config)
    scores = report["results"]["all"]["selected"]
    assert scores["count"] == 7
    found = scores["votes"]
    assert found["images"] == 7
    assert found["network_with_majority"] == pytest.approx(scores["accuracy"])
    assert found["annotator_with_majority_of_others"] == pytest.approx(0.7)
    assert found["cross_entropy"] > found["kl_divergence"] > 0
    assert "## Agreement with the votes" in Path(report["path"]).read_text("utf-8")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (dict(workdir=""), "--workdir is missing"),
        (dict(workdir="nowhere"), "nowhere: no such folder"),
        (dict(dataset="rafbd"), "Did you mean 'rafdb'"),
        (dict(dataset="fer2013", data_dir="nowhere"), "--data_dir=nowhere"),
        (dict(data_dir="nowhere"), "--data_dir=nowhere: synthetic is drawn, not read"),
    ],
)
def test_refused(given: dict[str, Any], words: str, tiny_run: Path) -> None:
    with pytest.raises(UserError, match=words):
        run_evaluate(EvalConfig(**{"workdir": str(tiny_run), "progress": False, **given}))
    assert not (tiny_run / "evaluations").exists()
