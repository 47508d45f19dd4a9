"""Crops faces from a photograph: detects them, levels the eyes, adds a margin, cuts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.faces.face import Box, Detector, Face
from ferjax.faces.level_eyes import cut_rotated


@dataclass(frozen=True)
class CropPlan:
    """Settings of face detection and cropping.

    Attributes:
      detector: the face detector.
      rule: selects one of several faces; a value of `ferjax.faces.face.RULES`.
      margin: pixels added on each side of the detector's box.
      square: whether the shorter side is extended to the length of the longer one.
      angle: (image, face) → degrees by which the eyes are tilted, or None if it is not known; see
        `ferjax.faces.detectors`. If given, the image is rotated until the eyes are level.
    """

    detector: Detector
    rule: Callable[[Sequence[Box], tuple[int, int]], Box]
    margin: int = 0
    square: bool = False
    angle: Callable[[np.ndarray, Face], float | None] | None = None


@dataclass(frozen=True)
class Crop:
    """The face crop of one photograph.

    Attributes:
      image: uint8 [h, w, C], the crop; None if there is no face.
      faces: number of detected faces.
      box: the box of the crop in the (rotated) photograph.
      degrees: angle by which the photograph was rotated, counter-clockwise.
      face: the detected face.
    """

    image: np.ndarray | None
    faces: int
    box: Box | None = None
    degrees: float = 0.0
    face: Face | None = None


def crop_face(image: np.ndarray, plan: CropPlan) -> Crop:
    """Crops one face from uint8 [H, W, C], C 1 or 3."""
    faces = _faces(image, plan)
    if not faces:
        return Crop(None, 0)
    chosen = plan.rule([face.box for face in faces], image.shape[:2])
    face = next(face for face in faces if face.box == chosen)
    return _crop(image, face, len(faces), plan)


def crop_faces(image: np.ndarray, plan: CropPlan) -> list[Crop]:
    """Crops every face of uint8 [H, W, C], C 1 or 3, in the order of the detector."""
    faces = _faces(image, plan)
    return [_crop(image, face, len(faces), plan) for face in faces]


def _faces(image: np.ndarray, plan: CropPlan) -> list[Face]:
    """Returns the detected faces, without faces that are wholly outside the image."""
    return [face for face in plan.detector(image) if _is_inside(face.box, image)]


def crop_at(image: np.ndarray, face: Face, plan: CropPlan) -> np.ndarray:
    """Returns the crop of a face at a known place; empty if the face is outside the image."""
    crop = _crop(image, face, 1, plan).image if _is_inside(face.box, image) else None
    return image[:0, :0] if crop is None else crop


def _is_inside(box: Box, image: np.ndarray) -> bool:
    """Returns whether a part of a box lies in an image."""
    columns = range(max(box.left, 0), min(box.left + box.width, image.shape[1]))
    rows = range(max(box.top, 0), min(box.top + box.height, image.shape[0]))
    return bool(columns and rows)


def _crop(image: np.ndarray, face: Face, face_count: int, plan: CropPlan) -> Crop:
    """Returns the crop of one of `face_count` faces."""
    box = expand_box(face.box, plan.margin, image.shape[:2], plan.square)
    degrees = plan.angle(image, face) if plan.angle else None
    if not degrees:
        return Crop(cut(image, box), face_count, box, 0.0, face)
    rotated = cut_rotated(image, box, face.box.centre, degrees)
    return Crop(rotated, face_count, box, degrees, face)


def cut(image: np.ndarray, box: Box) -> np.ndarray:
    """Returns the part of an image [H, W, C] in a box; pixels outside the image are left out."""
    rows = slice(max(box.top, 0), max(box.top + box.height, 0))
    return image[rows, max(box.left, 0) : max(box.left + box.width, 0)]


def expand_box(box: Box, margin: int, shape: tuple[int, int], square: bool = False) -> Box:
    """Returns a box with a margin on each side, clipped to an image of shape (H, W).

    With `square` the shorter side is then extended equally in both directions, or shifted if the
    border of the image prevents that. If the image is too narrow, the longer side is shortened.
    """
    height, width = shape
    left, top = max(0, box.left - margin), max(0, box.top - margin)
    right = min(width, box.left + box.width + margin)
    bottom = min(height, box.top + box.height + margin)
    if square:
        side = min(max(right - left, bottom - top), height, width)
        left = _shift_inside((left + right - side) // 2, side, width)
        top = _shift_inside((top + bottom - side) // 2, side, height)
        right, bottom = left + side, top + side
    return Box(left, top, right - left, bottom - top)


def _shift_inside(first: int, side: int, length: int) -> int:
    """Returns the start of an interval of `side` after a shift into the range 0 to `length`."""
    return min(max(first, 0), length - side)
