"""Crops one face from a photograph: detects, selects, levels the eyes, adds a margin, cuts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.faces.level_eyes import cut_rotated, eye_angle
from ferjax.faces.viola_jones import Box, Detector

# ITU-R 601 luma, as in Pillow's conversion to grey.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
# Farahani's crops: the detector's box plus 20 pixels on each side.
MARGIN = 20


@dataclass(frozen=True)
class CropPlan:
    """Settings of face detection and cropping.

    Attributes:
      detector: the face detector.
      rule: selects one of several faces; a value of `ferjax.faces.viola_jones.RULES`.
      margin: pixels added on each side of the detector's box.
      square: whether the shorter side is extended to the length of the longer one.
      eyes: detector of eyes; if given, the image is rotated until the eyes are level.
    """

    detector: Detector
    rule: Callable[[Sequence[Box], tuple[int, int]], Box]
    margin: int = MARGIN
    square: bool = False
    eyes: Detector | None = None


@dataclass(frozen=True)
class Crop:
    """The face crop of one photograph.

    Attributes:
      image: uint8 [h, w, C], the crop; None if there is no face.
      faces: number of detected faces.
      box: the box of the crop in the (rotated) photograph.
      degrees: angle by which the photograph was rotated, counter-clockwise.
    """

    image: np.ndarray | None
    faces: int
    box: Box | None = None
    degrees: float = 0.0


def crop_face(image: np.ndarray, plan: CropPlan) -> Crop:
    """Crops one face from uint8 [H, W, C], C 1 or 3."""
    grey = image[..., 0] if image.shape[-1] == 1 else (image @ _GREY).round().astype(np.uint8)
    boxes = list(plan.detector(grey))
    if not boxes:
        return Crop(None, 0)
    face = plan.rule(boxes, grey.shape)
    box = expand_box(face, plan.margin, grey.shape, plan.square)
    degrees = None if plan.eyes is None else eye_angle(plan.eyes(_cut(grey, face)), face)
    if not degrees:
        return Crop(_cut(image, box), len(boxes), box)
    return Crop(cut_rotated(image, box, face.centre, degrees), len(boxes), box, degrees)


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


def _cut(image: np.ndarray, box: Box) -> np.ndarray:
    return image[box.top : box.top + box.height, box.left : box.left + box.width]
