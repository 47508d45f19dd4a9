"""Selection of one face, and face detection with OpenCV's cascades if OpenCV is installed."""

import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.errors import UserError
from ferjax.faces.face import Box, central, largest, selection_rule
from ferjax.faces.viola_jones import grey, haar_eyes, haar_faces

SMALL, LARGE = Box(90, 90, 20, 20), Box(0, 0, 60, 60)
# The synthetic faces that the cascade detects at this size.
DETECTED = [0, 3, 7, 8, 10]


def scene(face: int, left: int = 60, top: int = 40, size: int = 128) -> np.ndarray:
    drawn = render_faces(np.array([face % 7]), np.array([face]), size)[0]
    image = np.full((240, 320, 3), 110, np.uint8)
    image[top : top + size, left : left + size] = drawn
    return image


def test_rules() -> None:
    for boxes in ([SMALL, LARGE], [LARGE, SMALL]):
        assert largest(boxes, (200, 200)) == LARGE
        assert central(boxes, (200, 200)) == SMALL
        assert central(boxes, (60, 60)) == LARGE


def test_ties_do_not_depend_on_the_order_of_detection() -> None:
    a, b = Box(10, 10, 20, 20), Box(70, 10, 20, 20)
    for rule in (largest, central):
        assert rule([a, b], (100, 100)) == rule([b, a], (100, 100)) == a


def test_rules_by_name() -> None:
    assert selection_rule("centre") is central
    with pytest.raises(UserError, match=r"face rule 'center'. Did you mean 'centre'"):
        selection_rule("center")


@pytest.mark.parametrize("face", DETECTED)
def test_haar_detects_synthetic_faces(face: int) -> None:
    pytest.importorskip("cv2")
    boxes = [found.box for found in haar_faces()(scene(face))]
    assert len(boxes) >= 1
    box = largest(boxes, (240, 320))
    assert abs(box.centre[0] - 124) < 40
    assert abs(box.centre[1] - 104) < 40
    assert all(isinstance(value, int) for value in box)


def test_haar_detects_nothing_in_a_blank_image() -> None:
    pytest.importorskip("cv2")
    blank = np.full((100, 100, 1), 90, np.uint8)
    assert list(haar_faces()(blank)) == []
    assert list(haar_eyes()(blank)) == []
    # Smaller than the smallest face.
    assert list(haar_faces()(blank[:3, :3])) == []


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match=r"pip install 'ferjax\[faces\]'"):
        haar_faces()


def test_opencv_five_has_no_cascades(monkeypatch: pytest.MonkeyPatch) -> None:
    five = types.ModuleType("cv2")
    five.__file__, five.__version__ = "/nowhere/cv2/__init__.py", "5.0.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", five)
    with pytest.raises(UserError, match=r"OpenCV 5.0.0 has no haarcascade_frontalface"):
        haar_faces()


def test_threads_call_a_cascade_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for OpenCV's cascade, whose results are wrong when two calls overlap."""
    both, overlaps = threading.Barrier(2), []

    class Cascade:
        def __init__(self, file: str) -> None:
            self.file = file

        def detectMultiScale(self, image: np.ndarray, *_: Any, **__: Any) -> list[list[int]]:
            try:
                both.wait(timeout=0.5)
                overlaps.append(self.file)
            except threading.BrokenBarrierError:
                pass
            return [[0, 0, *image.shape[::-1]]]

    fake: Any = types.ModuleType("cv2")
    fake.__file__, fake.CascadeClassifier = str(tmp_path / "__init__.py"), Cascade
    (tmp_path / "data").mkdir()
    for name in ("haarcascade_frontalface_default.xml", "haarcascade_eye.xml"):
        (tmp_path / "data" / name).write_text("")
    monkeypatch.setitem(sys.modules, "cv2", fake)
    images = [np.zeros((20 + side, 30, 1), np.uint8) for side in range(2)]
    faces, eyes = haar_faces(), haar_eyes()
    with ThreadPoolExecutor(2) as pool:
        boxes = [found[0].box for found in pool.map(faces, images)]
        both.reset()
        assert [found[0] for found in pool.map(eyes, images)] == boxes
    assert boxes == [Box(0, 0, 30, 20), Box(0, 0, 30, 21)]
    assert overlaps == []


def test_luma() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    image[..., 1] = 200
    assert grey(image).dtype == np.uint8
    assert (grey(image) == 117).all()
    assert (grey(image[..., 1:2]) == 200).all()
