"""Finds the faces in photographs: the box and the emotion probabilities of every face."""

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
      sets: bool [N, K], prediction sets if they were requested, or None.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray
    probabilities: np.ndarray
    sets: np.ndarray | None = None


@functools.lru_cache(maxsize=4)
def plan_for(detector: str) -> CropPlan:
    """Returns the crop plan of a detector; it is cached, so that its network is loaded once."""
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
      probabilities_of: function: faces → float32 [N, K].
      sets_of: function: probabilities → prediction sets bool [N, K]; None: no sets.
    """
    if not photographs:
        return []
    crops_by_image = [crop_faces(image, plan) for image in photographs]
    faces = [crop.image for crops in crops_by_image for crop in crops if crop.image is not None]
    probabilities = probabilities_of(faces)
    sets = sets_of(probabilities) if sets_of else None
    ends = np.cumsum([len(crops) for crops in crops_by_image])[:-1]
    probabilities_by_image = np.split(probabilities, ends)
    sets_by_image = np.split(sets, ends) if sets is not None else [None] * len(crops_by_image)
    return [
        _faces_of_image(crops, image_probabilities, image_sets)
        for crops, image_probabilities, image_sets in zip(
            crops_by_image, probabilities_by_image, sets_by_image, strict=True
        )
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
