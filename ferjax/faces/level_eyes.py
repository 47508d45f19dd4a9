"""Face alignment: measures the angle of the eyes and rotates the photograph to level them."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from PIL import Image

from ferjax.faces.face import Box

# Fractions of the face box: eyes lie in its upper part, and not close to each other. A steeper pair
# cannot be two eyes, because a face that is rotated so much is not detected.
_LOWEST_EYE, _MIN_DISTANCE, _MAX_DEGREES = 0.6, 0.25, 30.0


def eye_angle(eyes: Sequence[Box], face: Box) -> float | None:
    """Returns the angle of the line through the eyes, or None if no two boxes can be the eyes.

    Args:
      eyes: boxes from an eye detector, relative to the upper left corner of the face.
      face: box of the face.

    Returns:
      Degrees within ±30, positive if the eye on the right of the image is lower. If several pairs
      are possible, the pair with the largest boxes is used.
    """
    upper = [eye for eye in eyes if eye.centre[1] < _LOWEST_EYE * face.height]
    pairs = []
    for a, b in combinations(sorted(upper, key=lambda eye: eye.centre), 2):
        (x1, y1), (x2, y2) = a.centre, b.centre
        angle = math.degrees(math.atan2(y2 - y1, x2 - x1))
        middle = face.width / 2
        if x1 < middle < x2 and x2 - x1 > _MIN_DISTANCE * face.width and abs(angle) <= _MAX_DEGREES:
            pairs.append((a.width * a.height + b.width * b.height, angle))
    return max(pairs)[1] if pairs else None


def landmark_angle(landmarks: np.ndarray) -> float | None:
    """Returns the angle of the line through the eyes of landmarks float [5, 2], in degrees.

    Positive if the eye on the right of the image is lower. None if the face is not upright: one eye
    is above the other, or the eyes are on the wrong sides.
    """
    dx, dy = (landmarks[1] - landmarks[0]).tolist()
    return math.degrees(math.atan2(dy, dx)) if dx > abs(dy) else None


def cut_rotated(
    image: np.ndarray, box: Box, centre: tuple[float, float], degrees: float
) -> np.ndarray:
    """Crops a box from an image that is rotated about a point.

    Args:
      image: uint8 [H, W, C], C 1 or 3; beyond its border the edge pixels are repeated.
      box: the box to crop, at least one pixel.
      centre: (x, y) of the rotation, inside the box.
      degrees: angle, counter-clockwise.

    Returns:
      uint8 [box.height, box.width, C].
    """
    # Only pixels that can rotate into the box are read, and only the box is computed, because
    # photographs are much larger than the faces in them.
    (x, y), (right, bottom) = centre, (box.left + box.width, box.top + box.height)
    reach = math.hypot(max(x - box.left, right - x), max(y - box.top, bottom - y)) + 2
    left, top = math.floor(x - reach), math.floor(y - reach)
    window = _with_edges(image, top, math.ceil(y + reach), left, math.ceil(x + reach))
    # Rounded as in Pillow's `rotate`, so that rotations by 90 degrees are exact. Pillow's affine
    # map gives the source point of each point of the result, so it rotates back by the angle.
    angle = math.radians(degrees)
    cos, sin = round(math.cos(angle), 15), round(math.sin(angle), 15)
    dx, dy = box.left - x, box.top - y
    matrix = (cos, -sin, x - left + cos * dx - sin * dy, sin, cos, y - top + sin * dx + cos * dy)
    source = Image.fromarray(window[..., 0] if window.shape[-1] == 1 else window)
    size = (box.width, box.height)
    rotated = source.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(rotated).reshape(box.height, box.width, window.shape[-1])


def _with_edges(image: np.ndarray, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """Returns a window of an image; edge pixels are repeated beyond the border of the image."""
    height, width = image.shape[:2]
    if min(top, left) >= 0 and bottom <= height and right <= width:
        return np.ascontiguousarray(image[top:bottom, left:right])
    rows = np.arange(top, bottom).clip(0, height - 1)
    return image[rows][:, np.arange(left, right).clip(0, width - 1)]
