"""Ensembles: the mean of probabilities, runs that do not go together, and where the report goes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import load_dataset
from ferjax.data.synthetic import load_synthetic
from ferjax.errors import UserError
from ferjax.evaluation.judged_runs import run_folders
from ferjax.experiment import run_evaluate, run_train
from ferjax.predict import load_predictor

FEW = {"train": 40, "val": 16, "test": 24}


@pytest.fixture(autouse=True)
def _few_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_synthetic, "COUNTS", FEW)


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_config: Callable[..., TrainConfig],
    without_figures: Callable[[], Any],
) -> Path:
    """Returns a folder with runs: a and b of one class list, of other sizes; c of eight classes."""
    top = tmp_path_factory.mktemp("runs")
    with without_figures(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_synthetic, "COUNTS", FEW)
        run_train(tiny_config(top / "a", epochs=1))
        run_train(tiny_config(top / "b", epochs=1, seed=1, image_size=48))
        run_train(tiny_config(top / "c", epochs=1, num_classes=8))
    return top


def evaluate(workdir: str, **given: Any) -> dict[str, Any]:
    return run_evaluate(EvalConfig(workdir, progress=False, **given))


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("tta", ["none", "flip"])
def test_probabilities_are_averaged(
    tta: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = evaluate(f"{runs / 'a'},{runs / 'b'}", split="test", tta=tta)
    suffix = "" if tta == "none" else "-flip"
    assert report["path"] == f"evaluations/a+b/synthetic-test{suffix}/report.md"
    rows, found = np.arange(24), np.zeros((24, 7))
    for name, size in (("a", 32), ("b", 48)):
        # Each network reads the faces as large as it was trained on.
        test = load_dataset("synthetic", image_size=size).splits["test"]
        found += load_predictor(runs / name, tta=tta)(test.read(rows)) / 2
    scores = report["results"]["test"]["selected"]
    assert scores["loss"] == pytest.approx(-np.log(found[rows, test.labels]).mean(), rel=1e-4)
    assert scores["accuracy"] == pytest.approx((found.argmax(-1) == test.labels).mean())
    assert scores["calibrated"]["fitted_on"] == "the other half of these images"
    assert report["title"].startswith("mean of 2 runs (a+b): base_cnn, trained on synthetic")
    assert [text.split(":")[0] for text in report["protocol"]["runs"]] == [
        str(runs / name) for name in "ab"
    ]
    assert report["protocol"]["images trained on"] == [
        f"{runs / name}: 0 of the 24 images judged" for name in "ab"
    ]
    assert report["protocol"]["test-time augmentation"] == tta
    assert "selected epoch 1, 1" in Path(report["path"]).read_text("utf-8")


@pytest.mark.usefixtures("no_figures")
def test_no_ensemble_replaces_another(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs / "b", tmp_path / "other" / "b")
    first = evaluate(f"{runs / 'a'},{runs / 'b'}", split="val")
    again = evaluate(f"{runs / 'a'},{runs / 'b'}", split="val")
    other = evaluate(f"{runs / 'a'},{tmp_path / 'other' / 'b'}", split="val")
    assert first["path"] == again["path"] == "evaluations/a+b/synthetic-val/report.md"
    assert other["path"] == "evaluations/a+b/synthetic-val-2/report.md"
    out = tmp_path / "out"
    assert evaluate(f"{runs / 'a'},{runs / 'b'}", split="val", out=str(out))["path"].startswith(
        str(out)
    )
    with pytest.raises(UserError, match="is no earlier result of this evaluation"):
        evaluate(f"{runs / 'b'},{runs / 'a'}", split="val", out=str(out))


@pytest.mark.usefixtures("no_figures")
def test_classes_in_another_order_are_put_in_place(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run is the first with reversed logits: the mean is the first alone."""
    from ferjax.evaluation import judged_runs

    shutil.copytree(runs / "a", tmp_path / "reversed")
    plain = judged_runs.load_network
    logits_of = judged_runs.run_evaluator

    def reversed_network(source: Path, checkpoint: str) -> Any:
        from dataclasses import replace

        network = plain(source, checkpoint)
        if Path(source).name != "reversed":
            return network
        return replace(network, classes=network.classes[::-1])

    def reversed_logits(run: Any, *given: Any) -> Any:
        function, devices = logits_of(run, *given)
        step = -1 if run.classes[0] != "anger" else 1
        return lambda variables, split: function(variables, split)[:, ::step], devices

    monkeypatch.setattr(judged_runs, "load_network", reversed_network)
    monkeypatch.setattr(judged_runs, "run_evaluator", reversed_logits)
    both = evaluate(
        f"{runs / 'a'},{tmp_path / 'reversed'}", split="test", out=str(tmp_path / "out")
    )
    alone = evaluate(str(runs / "a"), split="test", out=str(tmp_path / "alone"))
    for name, value in alone["results"]["test"]["selected"]["headline"].items():
        assert both["results"]["test"]["selected"]["headline"][name] == pytest.approx(value)


def test_a_run_that_saw_the_images_is_named(runs: Path, tmp_path: Path, no_figures: None) -> None:
    report = evaluate(f"{runs / 'a'},{runs / 'b'}", split="all", out=str(tmp_path / "out"))
    seen = [f"{runs / name}: the run was trained on " for name in "ab"]
    assert all(any(w.startswith(text) for w in report["warnings"]) for text in seen)


def test_the_training_split_is_allowed_and_stamped(
    runs: Path, tmp_path: Path, no_figures: None
) -> None:
    for workdir in (str(runs / "a"), f"{runs / 'a'},{runs / 'b'}"):
        out = tmp_path / str(len(workdir))
        report = evaluate(workdir, split="train", out=str(out))
        assert any("the training split is judged" in warning for warning in report["warnings"])
        assert "the training split is judged" in (out / "report.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "nowhere"), "nowhere: no such folder"),
        (("a", "c"), "Only networks with the same classes can be averaged"),
        (("a", "a"), "names .*a twice"),
        (("a", ""), "a name between the commas is empty"),
        (("a", "unfinished"), "unfinished is not finished: it has no report.json"),
    ],
)
def test_runs_that_do_not_go_together(
    names: tuple[str, str], message: str, runs: Path, tmp_path: Path
) -> None:
    if "unfinished" in names:
        shutil.copytree(runs / "b", runs / "unfinished", dirs_exist_ok=True)
        (runs / "unfinished" / "report.json").unlink()
    workdir = ",".join(str(runs / name) if name else "" for name in names)
    with pytest.raises(UserError, match=message) as raised:
        evaluate(workdir, split="test", out=str(tmp_path / "out"))
    if names == ("a", "c"):
        assert "contempt" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_runs_of_other_data_need_a_data_set(runs: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(runs / "b", tmp_path / "raf"))
    values = json.loads((other / "config.json").read_text("utf-8"))
    (other / "config.json").write_text(json.dumps({**values, "dataset": "rafdb"}))
    with pytest.raises(UserError, match=r"trained on synthetic, and .* on rafdb\. Name the data"):
        evaluate(f"{runs / 'a'},{other}", split="test")


def test_a_folder_with_a_comma_is_one_run(tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    assert run_folders(str(tmp_path / "a,b")) == (str(tmp_path / "a,b"),)
    assert run_folders("a,b") == ("a", "b")
    assert run_folders("") == ("",)
