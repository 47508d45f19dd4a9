"""The recogniser that comes with ferjax keeps what its card promises."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ferjax
import ferjax.weights.shipped
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.weights.shipped import SHIPPED, find_card

GREY = render_faces(np.arange(7), np.arange(7), size=48)[..., :1]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_is_within_its_bounds(name: str) -> None:
    path = find_card(name)
    assert path is not None
    card = json.loads(path.read_text("utf-8"))
    found = card["scores"]
    # Half precision costs at most 0.2 points.
    assert abs(found["accuracy"] - found["accuracy_of_the_run"]) <= 0.002
    assert found["calibration"]["expected_calibration_error"] <= 0.03
    assert [row["class"] for row in found["calibration"]["by_class"]] == card["classes"]
    assert found["prediction_sets"]["coverage"] == pytest.approx(0.9, abs=0.02)
    assert card["licence"]["data"]
    assert path.with_suffix(".md").read_text("utf-8").startswith(f"# {name}")


def test_all_files_are_small() -> None:
    folder = Path(ferjax.weights.shipped.__file__).parent
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) <= 4_000_000


def test_it_is_the_default_and_sees_grey() -> None:
    predict = ferjax.load_predictor()
    assert predict.source == next(iter(SHIPPED))
    probabilities, sets = predict(GREY, sets=0.9)
    assert probabilities.shape == sets.shape == (7, len(predict.classes))
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(predict(GREY.repeat(3, -1)), probabilities, atol=1e-5)
    # A face that is dark where its colour picture is bright red and blue: the order is RGB.
    red, blue = np.zeros((2, 1, 48, 48, 3), np.uint8)
    red[..., 0], blue[..., 2] = GREY[0, ..., 0], GREY[0, ..., 0]
    weights = {"red": 0.299, "blue": 0.114}
    for image, weight in ((red, weights["red"]), (blue, weights["blue"])):
        luma = np.rint(weight * GREY[:1].astype(float)).astype(np.uint8)
        np.testing.assert_allclose(predict(image), predict(luma), atol=0.05)


@pytest.mark.parametrize("name", SHIPPED)
def test_drawn_faces_are_recognised_better_than_by_chance(name: str) -> None:
    """Drawn faces are not those it learned from: a broken file would be right for one of seven."""
    predict = ferjax.load_predictor(name)
    faces = render_faces(np.arange(70) % 7, np.arange(70) + 50, size=48)
    names = [ferjax.load_dataset("synthetic", image_size=48).classes[k] for k in np.arange(70) % 7]
    top = [predict.classes[k] for k in predict(faces).argmax(-1)]
    assert np.mean([a == b for a, b in zip(names, top, strict=True)]) > 0.25


@pytest.mark.slow
def test_a_wheel_holds_the_weights(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(root)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    listed = set(zipfile.ZipFile(wheel).namelist())
    for name in SHIPPED:
        for suffix in (".json", ".md", ".safetensors"):
            assert f"ferjax/weights/{name}{suffix}" in listed
