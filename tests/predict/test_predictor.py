"""Trained networks as callables: the same probabilities as evaluation, whatever way in."""

import dataclasses
import json
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.data.decoding.image_file import resize_image
from ferjax.data.splits.split import Split
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.faces.crop_face import crop_faces
from ferjax.faces.detectors import crop_plan
from ferjax.predict import Predictor, load_predictor, load_run
from ferjax.runs.split_evaluator import evaluator
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
    """Evaluation and prediction run on four devices, in batches of their own."""
    run = load_run(tiny_run, checkpoint)
    labels = np.arange(11) % 7
    logits_of = evaluator(run.model, run.spec, data_mesh(), 8, progress=False)
    logits = logits_of(run.variables, make_split(FACES, labels))
    served = load_predictor(tiny_run, checkpoint, batch_size=4)(FACES)
    np.testing.assert_allclose(served, evaluation(logits, labels).probabilities, atol=1e-6)


def test_batches_are_split_over_the_devices(predictor: Predictor) -> None:
    devices = jax.local_device_count()
    assert devices >= 4
    split = predictor.probabilities_fn(FACES[:4])
    assert [shard.data.shape[0] for shard in split.addressable_shards] == [1] * devices
    # One face is computed by every device: to split it would not be faster.
    np.testing.assert_allclose(predictor.probabilities_fn(FACES[:1])[0], split[0], atol=1e-6)


def test_an_image_does_not_depend_on_its_batch(predictor: Predictor) -> None:
    whole = predictor(FACES)
    # In another place of a batch the sums of a convolution may come in another order.
    for size in (1, 2, 3, 4, 5):
        np.testing.assert_allclose(predictor(FACES[:size]), whole[:size], atol=1e-6)
    np.testing.assert_allclose(predictor(FACES[::-1])[::-1], whole, atol=1e-6)
    strangers = np.concatenate([FACES[:1], 255 - FACES[5:9]])
    np.testing.assert_allclose(predictor(strangers)[0], whole[0], atol=1e-6)


def test_grey_and_other_sizes_are_taken(predictor: Predictor) -> None:
    grey = FACES[:4, ..., 0]
    as_rgb = np.repeat(grey[..., None], 3, -1)
    mixed = [grey[0], as_rgb[1], grey[2][..., None], as_rgb[3]]
    for way in (grey, grey[..., None], [*grey], mixed):
        np.testing.assert_allclose(predictor(way), predictor(as_rgb), atol=1e-6)
    large = render_faces(np.arange(3), np.arange(3) + 500, size=100)
    mixed = [large[0], FACES[1], large[2][:90]]
    by_hand = np.stack([resize_image(image, (48, 48)) for image in mixed])
    np.testing.assert_array_equal(predictor(mixed), predictor(by_hand))


def test_a_call_is_padded_to_the_next_power_of_two(predictor: Predictor) -> None:
    sizes: list[int] = []

    def count(images: np.ndarray) -> Any:
        sizes.append(len(images))
        return predictor.probabilities_fn(images)

    watched = dataclasses.replace(predictor, batch_size=8, probabilities_fn=count)
    for number in (0, 1, 2, 3, 5, 8, 11):
        assert watched(FACES[:number]).shape == (number, 7)
    assert sizes == [1, 2, 4, 8, 8, 8, 8]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_no_emotion(value: float, predictor: Predictor) -> None:
    def broken(images: np.ndarray) -> Any:
        return np.asarray(predictor.probabilities_fn(images)) * np.array([[1], [value]])

    with pytest.raises(UserError, match=r"run: its network gives .*not finite for 1 of 2 images"):
        dataclasses.replace(predictor, probabilities_fn=broken)(FACES[:2])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "nowhere: no such folder"),
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


def test_a_run_needs_nothing_but_its_checkpoints(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    os.symlink(tiny_run / "checkpoints", tmp_path / "bare" / "checkpoints")
    run = load_run(tmp_path / "bare")
    whole = load_run(tiny_run)
    jax.tree.map(np.testing.assert_array_equal, run.variables, whole.variables)
    assert json.dumps(run.meta) == json.dumps(whole.meta)


def test_a_predictor_survives_pickling(predictor: Predictor) -> None:
    again = pickle.loads(pickle.dumps(predictor))
    assert (again.batch_size, again.classes) == (4, predictor.classes)
    np.testing.assert_array_equal(again(FACES[:2]), predictor(FACES[:2]))
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(dataclasses.replace(predictor, loaded_with=None))


def test_threads_share_a_predictor(predictor: Predictor) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predictor, [FACES[k : k + 4] for k in range(0, 8)]))
    for k, rows in enumerate(found):
        np.testing.assert_array_equal(rows, predictor(FACES[k : k + 4]))


def test_faces_in_photographs(predictor: Predictor) -> None:
    """Two drawn faces on grey; the network gets the square about each detected box."""
    scene = np.full((200, 420, 3), 110, np.uint8)
    for left, face in ((20, 0), (250, 1)):
        scene[30:158, left : left + 128] = render_faces(np.array([face]), np.array([face]), 128)[0]
    empty = np.full((90, 80, 3), 110, np.uint8)
    found, none = predictor([scene, empty], find_faces=True)
    assert found.boxes.shape == (2, 4)
    assert found.landmarks.shape == (2, 5, 2)
    assert sorted(found.boxes[:, 0] // 210) == [0, 1]
    assert (found.scores > 0.9).all()
    assert none.boxes.shape == (0, 4)
    assert none.probabilities.shape == (0, 7)
    plan = crop_plan("mtcnn")
    crops = [crop.image for crop in crop_faces(scene, plan)]
    np.testing.assert_allclose(found.probabilities, predictor(crops), atol=1e-6)
    with pytest.raises(UserError, match="unknown face detector 'mtcn'"):
        predictor(scene, find_faces="mtcn")
