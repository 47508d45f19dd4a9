"""Face detectors by name, and how each of them measures the tilt of the eyes."""

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ferjax.errors import UserError, unknown_name
from ferjax.faces.crop_face import CropPlan, cut
from ferjax.faces.face import Detector, Face, selection_rule
from ferjax.faces.level_eyes import eye_angle, landmark_angle
from ferjax.faces.opencv_networks import centerface_faces, yunet_faces
from ferjax.faces.viola_jones import haar_eyes, haar_faces

# (image uint8 [H, W, C], face) → degrees by which the eyes are tilted, or None: not known.
Angle = Callable[[np.ndarray, Face], float | None]


class FaceDetector(NamedTuple):
    """A face detector and its measure of the eyes' tilt."""

    detect: Detector
    angle: Angle


def _haar_angle() -> Angle:
    """Returns the tilt by the boxes of a detector of eyes."""
    eyes = haar_eyes()

    def angle(image: np.ndarray, face: Face) -> float | None:
        return eye_angle(eyes(cut(image, face.box)), face.box)

    return angle


def _landmark_angle(image: np.ndarray, face: Face) -> float | None:
    """Returns the tilt by the landmarks."""
    return None if face.landmarks is None else landmark_angle(face.landmarks)


def _mtcnn(smallest: int) -> FaceDetector:
    # Here, so that a detector of OpenCV starts no JAX backend.
    from ferjax.faces.mtcnn_detector import mtcnn_faces

    return FaceDetector(mtcnn_faces(smallest), _landmark_angle)


# Name → (least side of a face) → detector.
DETECTORS: dict[str, Callable[[int], FaceDetector]] = {
    "mtcnn": _mtcnn,
    "haar": lambda smallest: FaceDetector(haar_faces(smallest), _haar_angle()),
}
# Name → (the user's file, least side of a face) → detector. They are named with their file.
DETECTORS_FROM_FILES: dict[str, Callable[[str, int], Detector]] = {
    "yunet": yunet_faces,
    "centerface": centerface_faces,
}


def face_detector(name: str, smallest: int | None = None) -> FaceDetector:
    """Returns a face detector.

    Args:
      name: a key of `DETECTORS`, or `yunet:FILE` or `centerface:FILE`.
      smallest: least side of a face, in pixels, at least 12. None: 30 for haar, which takes many
        smaller things for faces, else 20.

    Raises:
      UserError: an unknown name, a package that is missing, or a file that is no such network.
    """
    smallest = smallest or (30 if name == "haar" else 20)
    kind, _, file = name.partition(":")
    if kind in DETECTORS_FROM_FILES:
        if not file:
            raise UserError(
                f"--detector={name}: its network does not come with ferjax. Give its ONNX file:"
                f" --detector={kind}:FILE."
            )
        found = DETECTORS_FROM_FILES[kind](os.path.expanduser(file), smallest)
        return FaceDetector(found, _landmark_angle)
    if name not in DETECTORS:
        raise unknown_name("face detector", name, (*DETECTORS, *DETECTORS_FROM_FILES))
    return DETECTORS[name](smallest)


def crop_plan(
    detector: str = "mtcnn",
    *,
    rule: str = "largest",
    margin: int | None = None,
    align: bool = True,
    smallest: int | None = None,
) -> CropPlan:
    """Returns how faces are cut out of photographs, everywhere in ferjax.

    Args:
      detector: as in `face_detector`.
      rule: which of several faces is meant, where one is: a key of `ferjax.faces.face.RULES`.
      margin: pixels on each side of the detector's box. None: the square about the box. Of 260
        faces of FER2013 the picture has 0.95 of the longer side of MTCNN's box (median; middle half
        0.84 to 1.05), about the same centre.
      align: whether the face is rotated until the eyes are level.
      smallest: as in `face_detector`.

    Raises:
      UserError: an unknown name, a package that is missing, or a file that is no such network.
    """
    found = face_detector(detector, smallest)
    return CropPlan(
        found.detect,
        selection_rule(rule),
        margin=margin or 0,
        square=margin is None,
        angle=found.angle if align else None,
    )
