"""From a photograph to the crop of one face: detect, choose, level the eyes, grow, cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.faces.level_eyes import cut_turned, eye_angle
from ferjax.faces.viola_jones import Box, Detector

# ITU-R 601, as Pillow's conversion to grey.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
# Farahani's crops: the detector's box and 20 pixels on each side.
MARGIN = 20


@dataclass(frozen=True)
class CropPlan:
    """How faces are found and cut.

    Attributes:
      detector: of faces.
      rule: which of several faces is taken, one of `ferjax.faces.viola_jones.RULES`.
      margin: pixels around the detector's box, on each side.
      square: grow the shorter side to the longer one.
      eyes: detector of eyes; with one, the image is turned until the eyes are level.
    """

    detector: Detector
    rule: Callable[[Sequence[Box], tuple[int, int]], Box]
    margin: int = MARGIN
    square: bool = False
    eyes: Detector | None = None


@dataclass(frozen=True)
class Crop:
    """What became of one photograph.

    Attributes:
      image: uint8 [h, w, C], the crop; None where there is no face.
      faces: how many were found.
      box: of the crop, in the photograph (after it was turned).
      degrees: how far it was turned, counter-clockwise.
    """

    image: np.ndarray | None
    faces: int
    box: Box | None = None
    degrees: float = 0.0


def crop_face(image: np.ndarray, plan: CropPlan) -> Crop:
    """Cuts one face out of uint8 [H, W, C], C 1 or 3."""
    light = image[..., 0] if image.shape[-1] == 1 else (image @ _GREY).round().astype(np.uint8)
    boxes = list(plan.detector(light))
    if not boxes:
        return Crop(None, 0)
    face = plan.rule(boxes, light.shape)
    box = grow(face, plan.margin, light.shape, plan.square)
    degrees = None if plan.eyes is None else eye_angle(plan.eyes(_cut(light, face)), face)
    if not degrees:
        return Crop(_cut(image, box), len(boxes), box)
    return Crop(cut_turned(image, box, face.centre, degrees), len(boxes), box, degrees)


def grow(box: Box, margin: int, shape: tuple[int, int], square: bool = False) -> Box:
    """Returns a box with a margin on each side, inside an image of shape (H, W).

    What would lie outside the image is cut off. With `square` the shorter side then grows about
    the middle, moved where the border is in the way; an image too narrow for that cuts the longer
    side instead.
    """
    height, width = shape
    left, top = max(0, box.left - margin), max(0, box.top - margin)
    right = min(width, box.left + box.width + margin)
    bottom = min(height, box.top + box.height + margin)
    if square:
        side = min(max(right - left, bottom - top), height, width)
        left = _moved((left + right - side) // 2, side, width)
        top = _moved((top + bottom - side) // 2, side, height)
        right, bottom = left + side, top + side
    return Box(left, top, right - left, bottom - top)


def _moved(start: int, side: int, length: int) -> int:
    """Returns where an interval of `side` starts once it lies within 0 and `length`."""
    return min(max(start, 0), length - side)


def _cut(image: np.ndarray, box: Box) -> np.ndarray:
    return image[box.top : box.top + box.height, box.left : box.left + box.width]
