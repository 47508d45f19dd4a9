"""A run exported as a calibrated weights file, and all that can be done with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.config.tool_configs import EvalConfig, ExportConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.export.weights_export import run_export
from ferjax.predict import load_predictor
from ferjax.report.calibration import fit_temperature, negative_log_likelihood

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


def test_the_temperature_is_the_best_for_val(exported: Path) -> None:
    """Once it is in the head, no other temperature fits better: the best one is 1."""
    rows = (exported / "e" / "predictions_val.csv").read_text().splitlines()[1:]
    cells = [line.split(",") for line in rows]
    probabilities = np.array([cell[3:] for cell in cells], float)
    probabilities /= probabilities.sum(-1, keepdims=True)
    names = json.loads((exported / "mine.json").read_text())["classes"]
    labels = np.array([names.index(cell[1]) for cell in cells])
    assert fit_temperature(np.log(probabilities), labels) == pytest.approx(1, abs=0.02)
    assert negative_log_likelihood(probabilities, labels) < np.log(7) + 0.05


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
    assert any(note.startswith(f"teacher {exported}: cnn3") for note in taught["notes"])
    with pytest.raises(UserError, match=r"--teacher=.*its classes are anger.*this run learns.*con"):
        run_train(tiny_config(tmp_path / "c", teacher=(str(exported),), num_classes=8, **given))


def test_two_networks_at_once_are_refused(tiny_run: Path) -> None:
    with pytest.raises(UserError, match=r"--workdir=.* and --weights=mine: two networks"):
        run_evaluate(EvalConfig(workdir=str(tiny_run), weights="mine"))
