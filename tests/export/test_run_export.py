"""A run exported as a calibrated weights file, and all that can be done with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferjax
from ferjax.config.predict_and_export import ExportConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.export.run_export import run_export
from ferjax.predict import load_predictor
from ferjax.report.calibration import negative_log_likelihood

FACES = render_faces(np.arange(21) % 7, np.arange(21) + 900, size=48)


@pytest.fixture(scope="module")
def exported(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of an exported run."""
    folder = tmp_path_factory.mktemp("exported")
    run_export(ExportConfig(str(tiny_run), str(folder), name="mine", progress=False))
    return folder


@pytest.fixture(scope="module")
def card(exported: Path) -> dict[str, Any]:
    return json.loads((exported / "mine.json").read_text())


def test_probabilities_are_those_of_the_run_at_the_temperature(
    exported: Path, card: dict[str, Any], tiny_run: Path
) -> None:
    own, calibrated = load_predictor(tiny_run)(FACES), load_predictor(exported)(FACES)
    scaled = own.astype(np.float64) ** (1 / card["temperature"])
    # Kernels are stored with 11 bits.
    np.testing.assert_allclose(calibrated, scaled / scaled.sum(-1, keepdims=True), atol=2e-3)
    np.testing.assert_array_equal(load_predictor(exported / "mine.safetensors")(FACES), calibrated)


def test_the_card_says_what_the_written_file_scores(exported: Path, card: dict[str, Any]) -> None:
    report = run_evaluate(
        EvalConfig(weights=str(exported), split="val", progress=False, out=str(exported / "e"))
    )
    judged = report["results"]["val"]["selected"]
    assert card["scores"]["confusion"] == judged["confusion"]
    assert card["scores"]["accuracy"] == judged["accuracy"]
    low, high = card["scores"]["accuracy_interval"]
    assert low <= judged["accuracy"] <= high
    assert "learned from train of synthetic" in report["protocol"]["images trained on"]
    assert not report["warnings"]
    # No place of the machine that trained it.
    assert all(card["config"][name] is None for name in ("data_dir", "workdir", "cache_dir"))


def test_the_temperature_makes_val_likelier(exported: Path, tiny_run: Path) -> None:
    """No image of val was trained on, so a network that is too sure gets less sure."""
    bundle = ferjax.load_dataset("synthetic", image_size=48)
    val = bundle.splits["val"]
    rows = np.arange(64)
    found = {
        source: negative_log_likelihood(load_predictor(source)(val.read(rows)), val.labels[rows])
        for source in (tiny_run, exported)
    }
    assert found[exported] < found[tiny_run]


def test_prediction_sets_are_asked_for_by_coverage(exported: Path, tiny_run: Path) -> None:
    predict = load_predictor(exported)
    probabilities, sets = predict(FACES, sets=0.7)
    assert sets.shape == probabilities.shape
    assert sets[np.arange(21), probabilities.argmax(-1)].all()
    wider = predict(FACES, sets=0.8)[1]
    assert (wider | sets == wider).all()
    with pytest.raises(UserError, match="between 0 and 1"):
        predict(FACES, sets=90)
    with pytest.raises(UserError, match=r"holds no calibration.*launch\.export"):
        load_predictor(tiny_run)(FACES, sets=0.9)


def test_speeds_come_from_a_benchmark(tiny_run: Path, tmp_path: Path) -> None:
    row = {
        "name": str(tiny_run),
        "preprocessing": "",
        "faces_per_core_second": 1234.5,
        "milliseconds": 1,
    }
    bench = tmp_path / "bench.json"
    bench.write_text(json.dumps({"environment": {"git commit": "abc"}, "recognisers": [row]}))
    given: dict[str, Any] = {"workdir": str(tiny_run), "progress": False}
    run_export(ExportConfig(out=str(tmp_path / "a"), name="mine", bench=str(bench), **given))
    assert "| this network |  | 1,234 | 1.00 |" in (tmp_path / "a" / "mine.md").read_text()
    bench.write_text("{}")
    with pytest.raises(UserError, match=r"--bench=.* is no report of the suite recognisers"):
        run_export(ExportConfig(out=str(tmp_path / "b"), bench=str(bench), **given))
    assert not (tmp_path / "b").exists()


def test_other_data_are_judged_by_the_names_of_emotions(exported: Path, tmp_path: Path) -> None:
    """CK+48's classes come in another order, with contempt and without neutral."""
    emotions = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    for k in range(10):  # its folds are of ten people
        emotion = emotions[k % 7]
        folder = tmp_path / "CK+48" / emotion
        folder.mkdir(parents=True, exist_ok=True)
        face = render_faces(
            np.array([EMOTIONS.index({"happy": "happiness"}.get(emotion, emotion))]),
            np.array([k]),
            size=48,
        )
        for frame in (8, 9, 10):
            Image.fromarray(face[0]).save(folder / f"S{k:03d}_001_{frame:08d}.png")
    report = run_evaluate(
        EvalConfig(
            weights=str(exported),
            dataset="ckplus",
            data_dir=str(tmp_path),
            progress=False,
            out=str(tmp_path / "report"),
        )
    )
    assert report["protocol"]["classes"] == list(EMOTIONS[:6])
    assert any("left out, of classes that the network lacks" in note for note in report["notes"])
    assert report["results"]["all"]["selected"]["count"] == 24


def test_nothing_is_overwritten(exported: Path, tiny_run: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.safetensors exists already"):
        run_export(ExportConfig(str(tiny_run), str(exported), name="mine"))


def test_a_page_for_people(exported: Path) -> None:
    page = (exported / "mine.md").read_text()
    for words in ("expected calibration error", "must not be used for", "anger", "Article 5(1)(f)"):
        assert words in page


@pytest.mark.usefixtures("no_figures")
def test_a_run_starts_from_it_and_is_taught_by_it(
    exported: Path, tmp_path: Path, tiny_config: Callable[..., Any]
) -> None:
    """Transfer and distillation take a weights file as they take a run."""
    given = {"model": "cnn3", "image_size": 48, "epochs": 1}
    started = run_train(tiny_config(tmp_path / "a", pretrained=str(exported), **given))
    assert any("outputs kept, by name: anger" in x for x in started["protocol"]["weights' origin"])
    taught = run_train(tiny_config(tmp_path / "b", teacher=(str(exported),), **given))
    assert taught["protocol"]["course"][0].startswith(f"teacher {exported}: cnn3")
    with pytest.raises(UserError, match=r"--teacher=.*its classes are anger.*this run learns.*con"):
        run_train(tiny_config(tmp_path / "c", teacher=(str(exported),), num_classes=8, **given))


def test_two_networks_at_once_are_refused(tiny_run: Path) -> None:
    with pytest.raises(UserError, match=r"--workdir=.* and --weights=mine: two networks"):
        run_evaluate(EvalConfig(workdir=str(tiny_run), weights="mine"))
