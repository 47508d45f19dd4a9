"""Whole runs on tiny synthetic data: what a run directory holds, options, seeds, refusals."""

import json
import re
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

import ferjax.evaluation.run_report
import ferjax.experiment
from ferjax.config.json_file import config_from_json, config_to_json
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.dataset_table import DATASETS
from ferjax.data.splits.split import Split
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.predict import load_predictor, load_run
from ferjax.runs import phase_optimizer_and_step
from ferjax.runs.task import prepare_task
from ferjax.training.run_directory.config_and_lock import locked_run_dir
from ferjax.training.run_directory.metrics_jsonl import read_lines

Tiny = Callable[..., TrainConfig]
PROMISED = {
    "splits.csv.gz",
    "splits.json",
    "config.json",
    "metrics.jsonl",
    "checkpoints",
    "report.json",
    "report.md",
    "report.html",
    "curves.png",
    "confusion_val.png",
    "confusion_test.png",
    "ranking_test.png",
    "ranking_val.png",
    "reliability_val.png",
    "reliability_test.png",
    "per_class.png",
    "batch.png",
    "mistakes.png",
    "predictions_val.csv",
    "predictions_test.csv",
}


def report_of(run_dir: Path) -> dict[str, Any]:
    return json.loads((run_dir / "report.json").read_text("utf-8"))


def one() -> list[Any]:
    return jax.devices()[:1]


def test_run_directory_holds_what_is_promised(tiny_run: Path) -> None:
    assert {p.name for p in tiny_run.iterdir() if not p.name.startswith(".")} == PROMISED
    # Every picture is inside the page.
    shown = (tiny_run / "report.html").read_text("utf-8").count('src="data:image/png;base64,')
    assert shown == len([*tiny_run.glob("*.png")]) == 10
    for path in tiny_run.glob("*.png"):
        with Image.open(path) as image:
            image.load()
            assert min(image.size) > 200
    config = config_from_json((tiny_run / "config.json").read_text("utf-8"), "config.json")
    assert (config.model, config.workdir) == ("cnn3", str(tiny_run))
    page = (tiny_run / "report.md").read_text("utf-8")
    for figure in report_of(tiny_run)["figures"]:
        assert f"]({figure['file']})" in page
        assert (tiny_run / figure["file"]).is_file()


def test_metrics_lines_have_the_promised_keys(tiny_run: Path) -> None:
    lines = read_lines(tiny_run)
    assert [(line["epoch"], line["split"]) for line in lines] == [
        (1, "train"),
        (1, "val"),
        (2, "train"),
        (2, "val"),
    ]
    assert [line["step"] for line in lines] == [4, 4, 8, 8]
    common = {"step", "epoch", "split", "loss", "accuracy"}
    for line in lines:
        trained = {
            "learning_rate",
            "images_per_second",
            "flop_utilisation",
            "seconds",
            "peak_bytes",
        }
        own = trained if line["split"] == "train" else {"recall"}
        assert set(line) == common | own
        assert 0 <= line["accuracy"] <= 1
    assert tuple(lines[1]["recall"]) == EMOTIONS[:7]


def test_protocol_block_is_complete(tiny_run: Path) -> None:
    """Every item of the protocol checklist stands in the report."""
    report = report_of(tiny_run)
    protocol = report["protocol"]
    assert [text.split(":")[0] for text in protocol["splits"]] == ["train", "val", "test"]
    assert "highest val accuracy" in protocol["selection"]
    assert "once" in protocol["test"]
    assert protocol["seeds"] == "0"
    assert protocol["test-time augmentation"] == "none"
    assert protocol["training augmentation"] == report["config"]["augment"]
    assert protocol["classes"] == list(EMOTIONS[:7])
    assert protocol["weights' origin"] == "random initialisation"
    assert protocol["crop origin"]
    assert any("test images are in train" in line for line in protocol["train/test overlap"])
    (phase,) = protocol["phases"]
    assert re.fullmatch(
        r"1: 2 epochs, adamw at 0\.002, one_cycle; trains ([\d,]+) of \1 parameters", phase
    )
    assert protocol["course"] == "as planned"
    for split in ("val", "test"):
        assert set(report["results"][split]) == {"last", "selected"}
        for scores in report["results"][split].values():
            assert {"accuracy", "mean_class_accuracy", "macro", "confusion", "epoch"} <= set(scores)
            assert np.sum(scores["confusion"]) == scores["count"] == 32
    assert any("smoke" in warning for warning in report["warnings"])
    assert {"git commit", "versions", "devices"} <= set(report["environment"])


def test_selected_epoch_is_the_best_on_val(tiny_run: Path) -> None:
    """The earlier of equals; the report evaluates anew what the run saw while training."""
    val = [line for line in read_lines(tiny_run) if line["split"] == "val"]
    best = max(val, key=lambda line: (line["accuracy"], -line["epoch"]))
    results = report_of(tiny_run)["results"]["val"]
    assert results["selected"]["epoch"] == load_run(tiny_run).epoch == best["epoch"]
    assert results["last"]["epoch"] == 2
    for which, line in (("selected", best), ("last", val[-1])):
        assert results[which]["accuracy"] == line["accuracy"]
        assert results[which]["loss"] == pytest.approx(line["loss"], rel=1e-6)


def test_the_test_split_is_read_only_after_the_last_epoch(
    tmp_path: Path, tiny_config: Tiny, no_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one pixel of it, whatever a run does before: each read sees a finished metrics.jsonl."""
    run_dir, synthetic = tmp_path / "run", DATASETS["synthetic"]
    lines_at_read: dict[str, list[int]] = {"train": [], "val": [], "test": []}

    def watched(split: Split) -> Split:
        def read(indices: np.ndarray) -> np.ndarray:
            lines_at_read[split.name].append(len(read_lines(run_dir)) if run_dir.exists() else 0)
            return split.read(indices)

        return replace(split, read=read)

    def load(*given: Any, **options: Any) -> Any:
        bundle = synthetic.load(*given, **options)
        return replace(bundle, splits={k: watched(s) for k, s in bundle.splits.items()})

    monkeypatch.setitem(DATASETS, "synthetic", replace(synthetic, load=load))
    run_train(tiny_config(run_dir, epochs=2), one())
    # Two lines an epoch.
    assert set(lines_at_read["test"]) == {4}
    assert min(lines_at_read["train"]) == 0
    assert min(lines_at_read["val"]) < 4


def test_finished_run_is_returned_and_left_alone(tiny_run: Path, tiny_config: Tiny) -> None:
    before = {p: p.stat().st_mtime_ns for p in tiny_run.rglob("*")}
    config = tiny_config(tiny_run, model="cnn3", image_size=48, resume=True)
    report = run_train(config)
    assert report["path"] == str(tiny_run / "report.md")
    assert {key: value for key, value in report.items() if key != "path"} == report_of(tiny_run)
    assert {p: p.stat().st_mtime_ns for p in tiny_run.rglob("*")} == before


def test_a_run_that_patience_ended_gets_no_more_epochs(
    tmp_path: Path, tiny_config: Tiny, no_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rate that moves nothing the second evaluation is the last."""
    given: dict[str, Any] = dict(learning_rate=1e-30, schedule="constant", patience=1, resume=True)
    run_dir = tmp_path / "series" / "seed_0"
    run_train(tiny_config(run_dir, **given, epochs=6), one())
    assert report_of(run_dir)["results"]["val"]["last"]["epoch"] == 2
    before = {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()}
    words = r"--epochs=12: .*seed_0 was ended early by --patience=1 .*--pretrained=.*seed_0 with"
    with pytest.raises(UserError, match=words):
        run_train(tiny_config(run_dir, **given, epochs=12), one())
    assert {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()} == before
    run_train(tiny_config(run_dir, **given, epochs=6), one())
    # A series is refused only if patience ended every run of it; here seed 1 has not begun.
    monkeypatch.setattr(ferjax.experiment, "train_series", lambda *_: {"path": "trained"})
    for seeds in ((0, 1), (0,)):
        series = tiny_config(run_dir.parent, **given, epochs=6, seeds=seeds)
        (run_dir.parent / "config.json").write_text(config_to_json(series))
        if seeds == (0, 1):
            assert run_train(replace(series, epochs=12), one())["path"] == "trained"
            continue
        with pytest.raises(UserError, match=words):
            run_train(replace(series, epochs=12), one())


def test_grey_bf16_and_inverse_weights(tmp_path: Path, tiny_config: Tiny, no_figures: None) -> None:
    options: dict[str, Any] = dict(precision="bf16", class_weights="inverse", channels=1)
    run_train(tiny_config(tmp_path / "run", **options, label_smoothing=0.1), one())
    run = load_run(tmp_path / "run")
    assert run.spec.channels == 1
    assert run.variables["params"]["conv1"]["kernel"].shape == (5, 5, 1, 10)
    assert run.variables["params"]["conv1"]["kernel"].dtype == np.float32
    assert run.meta["fields"]["dtype"] == "bfloat16"


def test_statistics_and_contempt(tmp_path: Path, tiny_config: Tiny, no_figures: None) -> None:
    """--normalization=dataset is mean and deviation of the training split; --limit cuts it."""
    config = tiny_config(tmp_path / "run", num_classes=8, limit=24, augment="standard")
    assert config.normalization == "dataset"
    report = run_train(config, one())
    assert report["protocol"]["classes"] == list(EMOTIONS)
    train = prepare_task(config, one()).bundle.splits["train"]
    assert len(train) == 24
    assert np.bincount(train.labels).tolist() == [3] * 8
    pixels = train.read(np.arange(24)).astype(np.float64) / 255
    spec = load_run(tmp_path / "run").spec
    np.testing.assert_allclose(spec.mean, pixels.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(spec.std, pixels.std((0, 1, 2)), rtol=1e-6)
    assert load_predictor(tmp_path / "run").classes == EMOTIONS


def test_several_seeds_have_mean_and_deviation(tmp_path: Path, tiny_config: Tiny) -> None:
    top = tmp_path / "run"
    report = run_train(tiny_config(top, seeds=(0, 3)), one())
    singles = {seed: report_of(top / f"seed_{seed}") for seed in (0, 3)}
    for split in ("val", "test"):
        for which in ("last", "selected"):
            key = f"{split}_{which}_accuracy"
            a, b = (singles[seed]["results"][split][which]["accuracy"] for seed in (0, 3))
            assert report["mean"][key] == pytest.approx((a + b) / 2)
            # Sample standard deviation of two numbers.
            assert report["deviation"][key] == pytest.approx(abs(a - b) / 2**0.5)
    assert {p.name for p in top.iterdir()} - {".lock"} == {
        "config.json",
        "report.json",
        "report.md",
        "report.html",
        "seed_0",
        "seed_3",
    }
    assert {p.name for p in (top / "seed_0").iterdir()} - {".lock"} == PROMISED
    assert report["protocol"]["seeds"] == ["0", "3"]
    assert statistics.fmean(row["seed"] for row in report_of(top)["rows"]) == 1.5
    again = run_train(tiny_config(top, seeds=(0, 3), resume=True), one())
    assert again["mean"] == report["mean"]


def test_diverged_run_keeps_its_last_good_checkpoint(
    tmp_path: Path, tiny_config: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The learning rate jumps after the first epoch's 4 steps."""

    def jump(*_: Any, **__: Any) -> Callable[[Any], Any]:
        return lambda step: jax.numpy.where(step < 4, 1e-3, 1e30)

    monkeypatch.setattr(phase_optimizer_and_step, "make_schedule", jump)
    with pytest.raises(
        UserError,
        match=r"the loss, a gradient or a parameter is not finite at step [67] \(epoch 2\)",
    ):
        run_train(tiny_config(tmp_path / "run"), one())
    run = load_run(tmp_path / "run", "last")
    assert run.epoch == 1
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run.variables))
    assert [line["epoch"] for line in read_lines(tmp_path / "run")] == [1, 1]


def test_a_save_within_an_epoch_looks_at_the_parameters(
    tmp_path: Path, tiny_config: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 6 has a finite loss still, and parameters that are not; step 5 was saved."""
    jump = lambda *_, **__: lambda step: jax.numpy.where(step < 5, 1e-3, jax.numpy.inf)  # noqa: E731
    monkeypatch.setattr(phase_optimizer_and_step, "make_schedule", jump)
    with pytest.raises(UserError, match=r"not finite at step 6 \(epoch 2\)"):
        run_train(tiny_config(tmp_path / "run", save_minutes=1e-9), one())
    run = load_run(tmp_path / "run", "last")
    assert (run.step, run.epoch) == (5, 1)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run.variables))


def test_hopeless_learning_rate_names_the_step(tmp_path: Path, tiny_config: Tiny) -> None:
    config = tiny_config(tmp_path / "run", optimizer="sgd", learning_rate=1e30)
    with pytest.raises(UserError, match=r"at step [23] \(epoch 1\).*lower --learning_rate"):
        run_train(config, one())


def test_single_step_epochs_that_diverge_save_nothing(tmp_path: Path, tiny_config: Tiny) -> None:
    """The only step's loss is finite, the parameters it leaves are not: val shows it."""
    config = tiny_config(tmp_path / "run", learning_rate=1e30, batch_size=32, epochs=1)
    with pytest.raises(UserError, match=r"not finite at step 1 \(epoch 1\)"):
        run_train(config, one())
    with pytest.raises(UserError, match="no finished checkpoint yet"):
        load_run(tmp_path / "run")


def test_a_failed_run_leaves_its_directory_free(
    tmp_path: Path, tiny_config: Tiny, no_figures: None
) -> None:
    """The advice can be followed in the same directory; another error leaves a good run alone."""
    run_dir = tmp_path / "run"
    for k in range(12):
        image = tmp_path / "faces" / EMOTIONS[k % 2] / f"{k}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 20 * k).save(image)
    folds: dict[str, Any] = dict(dataset="folder", data_dir=str(tmp_path / "faces"), folds=50)
    for _ in range(2):
        with pytest.raises(UserError, match="--workdir is free: give the command again"):
            run_train(tiny_config(run_dir, optimizer="sgd", learning_rate=1e30), one())
    with pytest.raises(UserError, match="folds=50"):
        run_train(tiny_config(run_dir, **folds), one())
    run_train(tiny_config(run_dir, epochs=1), one())
    assert [line["epoch"] for line in read_lines(run_dir)] == [1, 1]
    before = {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")}
    cases: list[tuple[dict[str, Any], str]] = [
        (dict(batch_size=64), "--batch_size=64 is more than the 32 training images"),
        (dict(batch_size=64, overwrite=True), "--batch_size=64 is more than the 32"),
        ({**folds, "overwrite": True}, "folds=50"),
        (dict(image_size=33, resume=True), "--image_size=33"),
        (dict(batch_size=16), "batch_size: 8 → 16"),
    ]
    for given, words in cases:
        with pytest.raises(UserError, match=words):
            run_train(tiny_config(run_dir, **{"epochs": 1, **given}), one())
    assert {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")} == before
    assert {path.name for path in tmp_path.iterdir()} == {"faces", "run"}


def test_locked_workdir_is_refused(tmp_path: Path, tiny_config: Tiny) -> None:
    config = tiny_config(tmp_path / "run", resume=True)
    with locked_run_dir(config):
        before = (tmp_path / "run" / "config.json").read_bytes()
        with pytest.raises(UserError, match="another run is writing there"):
            run_train(tiny_config(tmp_path / "run", resume=True, save_minutes=1.0), one())
        assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_a_run_begins_with_classes_counts_and_choices(
    tmp_path: Path,
    tiny_config: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for k, name in enumerate(("joy", "happy", "sad", "backgrounds")):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for i in range(10):
            image = Image.new("L", (32, 32), 20 * k + i)
            image.save(tmp_path / "faces" / name / f"{i}.png")
    config = tiny_config(
        tmp_path / "run",
        dataset="folder",
        data_dir=str(tmp_path / "faces"),
        batch_size=4,
        limit=None,
        progress=True,
    )
    printed: list[str] = []

    def train(*_: object) -> None:
        printed.extend(capsys.readouterr().out.splitlines())

    monkeypatch.setattr(ferjax.experiment, "train_run", train)
    monkeypatch.setattr(ferjax.evaluation.run_report, "report_run", lambda *_: {})
    run_train(config)
    assert "folder: class folders; 3 classes: happiness, sadness, backgrounds" in printed
    assert any(line.startswith("train: ") and "backgrounds" in line for line in printed)
    assert any(line.startswith("val: ") for line in printed)
    assert "note: happy and joy are one class, happiness" in printed
    assert any("no emotions" in line and "backgrounds (10 images)" in line for line in printed)


def test_a_run_is_evaluated_from_another_folder(
    tmp_path: Path, tiny_config: Tiny, no_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data were named relative to the folder it was trained in; moved data are asked for."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for k in range(32):
        image = Path("faces") / EMOTIONS[k % 2] / f"{k}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 8 * k).save(image)
    run_train(tiny_config(Path("run"), dataset="folder", data_dir="faces", epochs=1), one())
    monkeypatch.chdir(tmp_path / "there")
    report = run_evaluate(EvalConfig(workdir="../here/run", split="val", progress=False))
    assert report["results"]["val"]["selected"]["count"] > 0
    (tmp_path / "here" / "faces").rename(tmp_path / "moved")
    for given in ({}, {"split": "val"}):
        with pytest.raises(UserError, match=r"was trained on .*here/faces.*Give its place as --d"):
            run_evaluate(EvalConfig(workdir="../here/run", progress=False, **given))
    moved = str(tmp_path / "moved")
    run_evaluate(EvalConfig(workdir="../here/run", data_dir=moved, split="val", progress=False))
