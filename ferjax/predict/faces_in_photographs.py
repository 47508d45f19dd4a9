"""Faces found in photographs, cut out, and named: boxes and probabilities of every face."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.faces.crop_face import Crop, CropPlan, crop_faces
from ferjax.faces.detectors import crop_plan

_NO_LANDMARKS = np.full((5, 2), np.nan, np.float32)


@dataclass(frozen=True)
class FacesOfImage:
    """The faces of one photograph, in the order of the detector; N may be 0.

    Attributes:
      boxes: int [N, 4], (left, top, width, height) in pixels, as the detector found them.
      scores: float32 [N], probabilities of a face; NaN from a detector that gives none.
      landmarks: float32 [N, 5, 2], (x, y) in pixels of the eyes, the nose and the corners of the
        mouth, left before right in the image; NaN from a detector that finds none.
      probabilities: float32 [N, K] of the emotions; rows sum to 1.
      sets: bool [N, K], prediction sets where they were asked for, or None.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray
    probabilities: np.ndarray
    sets: np.ndarray | None = None


@functools.lru_cache(maxsize=4)
def plan_for(detector: str) -> CropPlan:
    """Returns the crop plan of a detector, made once: its network is loaded then."""
    return crop_plan(detector)


def predict_faces(
    photographs: Sequence[np.ndarray],
    plan: CropPlan,
    probabilities_of: Callable[[Sequence[np.ndarray]], np.ndarray],
    sets_of: Callable[[np.ndarray], np.ndarray] | None = None,
) -> list[FacesOfImage]:
    """Returns the faces of each photograph; the faces of all of them are predicted together.

    Args:
      photographs: uint8 [H, W, 1 or 3] each.
      plan: how faces are found and cut out.
      probabilities_of: faces → float32 [N, K].
      sets_of: probabilities → bool [N, K], or None.
    """
    if not photographs:
        return []
    crops = [crop_faces(image, plan) for image in photographs]
    faces = [crop.image for found in crops for crop in found if crop.image is not None]
    probabilities = probabilities_of(faces)
    sets = sets_of(probabilities) if sets_of else None
    ends = np.cumsum([len(found) for found in crops])[:-1]
    rows = np.split(probabilities, ends)
    set_rows = np.split(sets, ends) if sets is not None else [None] * len(crops)
    return [
        _faces_of_image(found, row, inside)
        for found, row, inside in zip(crops, rows, set_rows, strict=True)
    ]


def _faces_of_image(
    crops: Sequence[Crop], probabilities: np.ndarray, sets: np.ndarray | None
) -> FacesOfImage:
    faces = [crop.face for crop in crops if crop.face is not None]
    scores = [np.nan if face.score is None else face.score for face in faces]
    landmarks = [_NO_LANDMARKS if face.landmarks is None else face.landmarks for face in faces]
    return FacesOfImage(
        np.array([face.box for face in faces], int).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(landmarks, np.float32).reshape(-1, 5, 2),
        probabilities,
        sets,
    )
