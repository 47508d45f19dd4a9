"""Detectors by name; networks of OpenCV beside decoding by hand; the crop rule."""

import types
from pathlib import Path

import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.faces.detectors import crop_plan, face_detector
from ferjax.faces.opencv_networks import _decoded


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mtcn", "unknown face detector 'mtcn'. Did you mean 'mtcnn'"),
        ("yunet", "--detector=yunet:FILE"),
        ("centerface:nowhere.onnx", "nowhere.onnx: no such file"),
    ],
)
def test_names(name: str, words: str) -> None:
    pytest.importorskip("cv2")
    with pytest.raises(UserError, match=words):
        face_detector(name)


@pytest.mark.parametrize("kind", ["yunet", "centerface"])
def test_a_file_that_is_no_network(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("cv2")
    file = tmp_path / "face.onnx"
    file.write_bytes(b"no network")
    with pytest.raises(UserError, match=r"face\.onnx is no face detector that OpenCV can read"):
        face_detector(f"{kind}:{file}")


def test_another_network_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that OpenCV loads, and that fails at its first image."""
    cv2 = pytest.importorskip("cv2")

    class Network:
        def setInputSize(self, size: tuple[int, int]) -> None: ...

        def detect(self, image: np.ndarray) -> None:
            raise cv2.error("wrong outputs")

    (tmp_path / "other.onnx").touch()
    created = types.SimpleNamespace(create=lambda *_: Network())
    monkeypatch.setattr(cv2, "FaceDetectorYN", created)
    with pytest.raises(UserError, match=r"other\.onnx is no face detector that OpenCV can read"):
        face_detector(f"yunet:{tmp_path / 'other.onnx'}")


def test_the_maps_of_centerface() -> None:
    """One face by hand: cell (2, 3), 40 pixels high and 20 wide, its offset a quarter cell down."""
    heat, sizes, offsets = np.zeros((1, 1, 5, 6)), np.zeros((1, 2, 5, 6)), np.zeros((1, 2, 5, 6))
    points = np.zeros((1, 10, 5, 6))
    heat[0, 0, 2, 3] = 0.9
    heat[0, 0, 4, 4] = 0.4
    sizes[0, :, 2, 3] = np.log([10, 5])
    offsets[0, :, 2, 3] = [0.25, 0]
    points[0, 2:4, 2, 3] = [0.3, 0.7]
    boxes, scores, landmarks = _decoded([heat, sizes, offsets, points], np.array([2.0, 1.0]))
    # Its centre is (3.5, 2.75) cells; the upper side lies above the image. x is twice as large.
    np.testing.assert_allclose(boxes, [[2 * (14 - 10), 0, 2 * 20, 40]])
    np.testing.assert_allclose(scores, [0.9])
    np.testing.assert_allclose(landmarks[0, 1], [2 * (4 + 0.7 * 20), 0.3 * 40])


def test_one_crop_rule() -> None:
    plan = crop_plan("mtcnn")
    assert (plan.square, plan.margin) == (True, 0)
    assert plan.angle is not None
    farahani = crop_plan("mtcnn", margin=20, align=False)
    assert (farahani.square, farahani.margin, farahani.angle) == (False, 20, None)
