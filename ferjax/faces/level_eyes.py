"""Turning a photograph so that the eyes of a face are level."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from PIL import Image

from ferjax.faces.viola_jones import Box

# Of the face box: eyes lie in its upper part and well apart. A pair further from level than a
# detected face can lean is not two eyes.
_LOWEST_EYE, _LEAST_APART, _STEEPEST = 0.6, 0.25, 30.0


def eye_angle(eyes: Sequence[Box], face: Box) -> float | None:
    """Returns the angle of the line through the eyes, or None where no two boxes can be the eyes.

    Args:
      eyes: what an eye detector found inside the face, from the face's left upper corner.
      face: the face.

    Returns:
      Degrees, positive where the right eye of the picture is lower; within ±30. Of several pairs
      the largest boxes count.
    """
    upper = [eye for eye in eyes if eye.centre[1] < _LOWEST_EYE * face.height]
    pairs = []
    for a, b in combinations(sorted(upper, key=lambda eye: eye.centre), 2):
        (x1, y1), (x2, y2) = a.centre, b.centre
        angle = math.degrees(math.atan2(y2 - y1, x2 - x1))
        middle = face.width / 2
        if x1 < middle < x2 and x2 - x1 > _LEAST_APART * face.width and abs(angle) <= _STEEPEST:
            pairs.append((a.width * a.height + b.width * b.height, angle))
    return max(pairs)[1] if pairs else None


def cut_turned(
    image: np.ndarray, box: Box, centre: tuple[float, float], degrees: float
) -> np.ndarray:
    """Cuts a box out of an image that was turned about a point.

    Args:
      image: uint8 [H, W, C], C 1 or 3; beyond its border its outermost pixels repeat.
      box: what to cut, at least one pixel.
      centre: (x, y), inside the box.
      degrees: counter-clockwise, as the image is looked at.

    Returns:
      uint8 [box.height, box.width, C].
    """
    # Only what can turn into the box is touched: photographs are large, faces in them small.
    reach = math.ceil(math.hypot(box.width, box.height)) + 1
    left, top = box.left - reach, box.top - reach
    rows = np.arange(top, box.top + box.height + reach).clip(0, image.shape[0] - 1)
    columns = np.arange(left, box.left + box.width + reach).clip(0, image.shape[1] - 1)
    window = image[rows[:, None], columns]
    picture = Image.fromarray(window[..., 0] if window.shape[-1] == 1 else window)
    about = (centre[0] - left, centre[1] - top)
    turned = picture.rotate(degrees, Image.Resampling.BILINEAR, center=about)
    pixels = np.asarray(turned).reshape(window.shape)
    return pixels[reach : reach + box.height, reach : reach + box.width]
