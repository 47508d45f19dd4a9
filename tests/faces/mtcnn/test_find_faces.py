"""The cascade of MTCNN finds what facenet-pytorch 2.6.0 finds: boxes and landmarks within a pixel.

The expected numbers are that package's own, `MTCNN(keep_all=True).detect(image, landmarks=True)`.
"""

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from ferjax.data.decoding.image_file import read_unresized
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.faces.face import Box
from ferjax.faces.mtcnn import find_faces as module
from ferjax.faces.mtcnn.find_faces import find_faces
from ferjax.faces.mtcnn.weights import from_facenet_pytorch, load_weights
from ferjax.faces.mtcnn_detector import mtcnn_faces

PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
# Upside down the photograph has two false faces: the cascade's decisions are tried at its edge.
FOUND = {
    "upright": (
        [[174.40222, 119.55542, 355.64832, 340.45697]],
        [0.99982446],
        [[221.67, 192.21], [309.83, 186.13], [269.36, 239.17], [232.65, 279.65], [306.64, 275.93]],
    ),
    "upside down": (
        [
            [171.49802, 254.55420, 350.51077, 473.29449],
            [220.31444, 529.31311, 237.05630, 551.23504],
        ],
        [0.87737215, 0.96123648],
        None,
    ),
}
# Synthetic faces of 128 pixels on grey, at (60, 40).
DRAWN = {0: [86.17, 63.92, 160.40, 156.16], 1: [81.73, 61.22, 161.73, 161.70], 4: None}


@pytest.fixture(scope="module")
def parameters() -> dict[str, np.ndarray]:
    return load_weights()


@pytest.mark.parametrize("way", FOUND)
def test_a_photograph(parameters: dict[str, np.ndarray], way: str) -> None:
    image = read_unresized(PHOTOGRAPH)
    assert image.shape == (600, 512, 3)
    found = find_faces(parameters, image if way == "upright" else image[::-1])
    boxes, scores, landmarks = FOUND[way]
    np.testing.assert_allclose(found.boxes, boxes, atol=1)
    np.testing.assert_allclose(found.scores, scores, atol=1e-3)
    if landmarks:
        np.testing.assert_allclose(found.landmarks[0], landmarks, atol=1)


@pytest.mark.parametrize("face", DRAWN)
def test_drawn_faces(parameters: dict[str, np.ndarray], face: int) -> None:
    image = np.full((240, 320, 3), 110, np.uint8)
    image[40:168, 60:188] = render_faces(np.array([face]), np.array([face]), 128)[0]
    found, expected = find_faces(parameters, image), DRAWN[face]
    assert len(found.boxes) == (expected is not None)
    if expected:
        # Another version of Pillow may draw a line otherwise.
        np.testing.assert_allclose(found.boxes[0], expected, atol=3)


def test_the_number_of_tiles_in_a_batch_changes_nothing(
    parameters: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = read_unresized(PHOTOGRAPH)[:300]
    whole = find_faces(parameters, image, 40)
    monkeypatch.setattr(module, "_MOST_TILES", 2)
    monkeypatch.setattr(module, "_MOST_CROPS", 4)
    cut = find_faces(parameters, image, 40)
    np.testing.assert_allclose(cut.boxes, whole.boxes, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 3), (12, 12, 3), (11, 300, 3), (64, 64, 1)])
def test_an_image_without_a_face(shape: tuple[int, int, int]) -> None:
    assert mtcnn_faces(20)(np.full(shape, 128, np.uint8)) == []


def test_the_detector_gives_whole_pixels_and_sees_grey() -> None:
    image = read_unresized(PHOTOGRAPH)
    detect = mtcnn_faces(20)
    (face,) = detect(image)
    assert face.box == Box(174, 120, 182, 220)
    assert face.score == pytest.approx(0.9998, abs=1e-3)
    assert face.landmarks.shape == (5, 2)
    (grey,) = detect(image.mean(-1, keepdims=True).astype(np.uint8))
    np.testing.assert_allclose(grey.box, face.box, atol=12)


def test_weights_are_those_of_the_package_with_axes_in_another_order() -> None:
    random = np.random.default_rng(0)
    kernel, dense = random.random((10, 3, 3, 3)), random.random((128, 576))
    states = {
        "pnet": {"conv1.weight": kernel, "conv1.bias": np.arange(10), "prelu1.weight": np.ones(10)},
        "rnet": {"dense4.weight": dense},
    }
    found = from_facenet_pytorch(states)
    assert list(found) == [
        "pnet/conv1/kernel",
        "pnet/conv1/bias",
        "pnet/prelu1/slope",
        "rnet/dense4/kernel",
    ]
    assert found["pnet/conv1/kernel"][1, 2, 0, 7] == np.float32(kernel[7, 0, 1, 2])
    assert found["rnet/dense4/kernel"][5, 9] == np.float32(dense[9, 5])
