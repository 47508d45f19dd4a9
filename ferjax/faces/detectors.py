"""Face detectors by name; each measures the tilt of the eyes in its own way."""

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
    """A face detector, and a function that measures the tilt of the eyes."""

    detect: Detector
    angle: Angle


def _haar_angle() -> Angle:
    """Returns a function that measures the tilt by the boxes of an eye detector."""
    eyes = haar_eyes()

    def angle(image: np.ndarray, face: Face) -> float | None:
        return eye_angle(eyes(cut(image, face.box)), face.box)

    return angle


def _landmark_angle(image: np.ndarray, face: Face) -> float | None:
    """Returns the tilt by the landmarks, or None if there are none."""
    return None if face.landmarks is None else landmark_angle(face.landmarks)


def _mtcnn(smallest: int) -> FaceDetector:
    # Imported here, so that a detector of OpenCV does not start a JAX backend.
    from ferjax.faces.mtcnn_detector import mtcnn_faces

    return FaceDetector(mtcnn_faces(smallest), _landmark_angle)


# Name → (least side of a face) → detector.
DETECTORS: dict[str, Callable[[int], FaceDetector]] = {
    "mtcnn": _mtcnn,
    "haar": lambda smallest: FaceDetector(haar_faces(smallest), _haar_angle()),
}
# Name → (the user's file, least side of a face) → detector. Users give name and file: `yunet:FILE`.
DETECTORS_FROM_FILES: dict[str, Callable[[str, int], Detector]] = {
    "yunet": yunet_faces,
    "centerface": centerface_faces,
}


def face_detector(name: str, smallest: int | None = None) -> FaceDetector:
    """Returns a face detector.

    Args:
      name: a key of `DETECTORS`, or `yunet:FILE` or `centerface:FILE`.
      smallest: least side of a face, in pixels, at least 12. None: 30 for haar, whose smaller boxes
        are often no faces, else 20.

    Raises:
      UserError: an unknown name, a package that is missing, or a file that is not that network.
    """
    smallest = smallest or (30 if name == "haar" else 20)
    kind, _, file = name.partition(":")
    if kind in DETECTORS_FROM_FILES:
        if not file:
            raise UserError(
                f"--detector={name}: its network does not come with ferjax. Give its ONNX file:"
                f" --detector={kind}:FILE."
            )
        detect = DETECTORS_FROM_FILES[kind](os.path.expanduser(file), smallest)
        return FaceDetector(detect, _landmark_angle)
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
    """Returns the settings by which ferjax cuts faces out of photographs everywhere.

    Args:
      detector: as in `face_detector`.
      rule: selects one of several faces if one is wanted; a key of `ferjax.faces.face.RULES`.
      margin: pixels on each side of the detector's box. None: the square around the box. In 260
        pictures of FER2013 the side of the picture is 0.95 of the longer side of MTCNN's box
        (median; middle half 0.84 to 1.05), around the same centre.
      align: whether the face is rotated until the eyes are level.
      smallest: as in `face_detector`.

    Raises:
      UserError: an unknown name, a package that is missing, or a file that is not that network.
    """
    chosen = face_detector(detector, smallest)
    return CropPlan(
        chosen.detect,
        selection_rule(rule),
        margin=margin or 0,
        square=margin is None,
        angle=chosen.angle if align else None,
    )
