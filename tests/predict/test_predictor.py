"""Trained networks as callables: the same probabilities as evaluation, whatever way in."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from ferjax.data.decoding.image_file import resize_image
from ferjax.data.splits.split import Split
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.predict import Predictor, load_predictor, load_run, predict_files, write_predictions
from ferjax.runs.task import evaluator
from ferjax.runtime.sharding import data_mesh
from ferjax.training.metrics import evaluation

FACES = render_faces(np.arange(11) % 7, np.arange(11) + 500, size=48)


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> Predictor:
    return load_predictor(tiny_run, batch_size=4)


def test_probabilities_are_named_and_sum_to_one(predictor: Predictor) -> None:
    assert predictor.classes == EMOTIONS[:7]
    found = predictor(FACES)
    assert (found.shape, found.dtype) == ((11, 7), np.float32)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    assert predictor(FACES[:0]).shape == (0, 7)


@pytest.mark.parametrize("checkpoint", ["selected", "last"])
def test_prediction_equals_evaluation(
    checkpoint: str, tiny_run: Path, make_split: Callable[..., Split]
) -> None:
    """Evaluation runs on four devices in batches of its own, prediction on one."""
    run = load_run(tiny_run, checkpoint)
    labels = np.arange(11) % 7
    logits_of = evaluator(run.model, run.spec, data_mesh(), 8, progress=False)
    logits = logits_of(run.variables, make_split(FACES, labels))
    served = load_predictor(tiny_run, checkpoint, batch_size=4)(FACES)
    np.testing.assert_allclose(served, evaluation(logits, labels).probabilities, atol=1e-6)


def test_an_image_does_not_depend_on_its_batch(predictor: Predictor) -> None:
    whole = predictor(FACES)
    for size in (1, 3, 4, 5):
        np.testing.assert_array_equal(predictor(FACES[:size]), whole[:size])
    np.testing.assert_array_equal(predictor(FACES[::-1])[::-1], whole)
    strangers = np.concatenate([FACES[:1], 255 - FACES[5:9]])
    np.testing.assert_array_equal(predictor(strangers)[0], whole[0])


def test_grey_and_other_sizes_are_taken(predictor: Predictor) -> None:
    grey = FACES[:3, ..., 0]
    as_rgb = np.repeat(grey[..., None], 3, -1)
    for way in (grey, grey[..., None], [*grey], [grey[0], as_rgb[1], grey[2][..., None]]):
        np.testing.assert_allclose(predictor(way), predictor(as_rgb), atol=1e-6)
    large = render_faces(np.arange(3), np.arange(3) + 500, size=100)
    mixed = [large[0], FACES[1], large[2][:90]]
    by_hand = np.stack([resize_image(image, (48, 48)) for image in mixed])
    np.testing.assert_array_equal(predictor(mixed), predictor(by_hand))


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (FACES[:1] / 255, "float64 [48, 48, 3]"),
        (FACES[:1].astype(np.int32), "int32"),
        (np.zeros((1, 48, 48, 4), np.uint8), "uint8 [48, 48, 4]"),
        (np.zeros((2, 48), np.uint8), "uint8 [48]"),
    ],
    ids=["float", "int32", "RGBA", "rows"],
)
def test_what_is_no_image_is_refused(images: Any, found: str, predictor: Predictor) -> None:
    with pytest.raises(UserError) as caught:
        predictor(images)
    assert str(caught.value).startswith("image 0: uint8 [H, W, 1 or 3] expected, found ")
    assert found in str(caught.value)


@pytest.mark.parametrize("image", [FACES[0], FACES[0, ..., :1]])
def test_one_image_without_batch_axis_is_refused(image: np.ndarray, predictor: Predictor) -> None:
    with pytest.raises(UserError, match=r"\[48, 48, .\] look like one image"):
        predictor(image)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "nowhere: no checkpoints/ there"),
        (("RUN", "best"), "--checkpoint 'best'"),
        (("RUN", "selected", 0), "--batch_size=0"),
    ],
)
def test_what_is_no_run_is_refused(
    arguments: tuple[Any, ...], words: str, tiny_run: Path, tmp_path: Path
) -> None:
    run_dir = tiny_run if arguments[0] == "RUN" else tmp_path / arguments[0]
    with pytest.raises(UserError, match=words):
        load_predictor(run_dir, *arguments[1:])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder of four pictures, one of them grey, one in a folder below."""
    (tmp_path / "faces" / "more").mkdir(parents=True)
    names = ("b.png", "a.png", "more/c.jpg", "d.bmp")
    for name, face in zip(names, FACES, strict=False):
        Image.fromarray(face).convert("L" if name == "d.bmp" else "RGB").save(
            tmp_path / "faces" / name
        )
    (tmp_path / "faces" / "notes.txt").write_text("not a picture")
    return tmp_path / "faces"


def test_files_and_folders(predictor: Predictor, folder: Path) -> None:
    rows = predict_files(predictor, [folder, folder / "b.png"])
    names = [Path(file).relative_to(folder).as_posix() for file, _ in rows]
    assert names == ["a.png", "b.png", "d.bmp", "more/c.jpg", "b.png"]
    np.testing.assert_array_equal(rows[1][1], predictor(FACES[:1])[0])
    np.testing.assert_array_equal(rows[1][1], rows[-1][1])


@pytest.mark.parametrize("name", ["gone.png", "notes.txt", "empty"])
def test_files_that_are_no_images_are_named(
    name: str, predictor: Predictor, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    path = tmp_path / "empty" if name == "empty" else folder / name
    with pytest.raises(UserError, match=name):
        predict_files(predictor, [folder / "a.png", path])


def test_csv_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    rows = [("odd, name.png", np.array([0.25, 0.75], np.float32))]
    write_predictions(rows, ("anger", "fear"), out)
    assert out.read_text("utf-8").splitlines() == [
        "file,emotion,anger,fear",
        '"odd, name.png",fear,0.250000,0.750000',
    ]
    for path, words in ((out, "exists already"), (tmp_path / "no" / "p.csv", "cannot be written")):
        with pytest.raises(UserError, match=words):
            write_predictions([], ("anger",), path)
    assert "odd, name.png" in out.read_text("utf-8")


def test_a_run_needs_nothing_but_its_checkpoints(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    os.symlink(tiny_run / "checkpoints", tmp_path / "bare" / "checkpoints")
    run = load_run(tmp_path / "bare")
    whole = load_run(tiny_run)
    jax.tree.map(np.testing.assert_array_equal, run.variables, whole.variables)
    assert json.dumps(run.meta) == json.dumps(whole.meta)
