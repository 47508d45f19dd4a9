"""Face and eye detection with OpenCV's Haar cascades (Viola-Jones); selection of one face.

References:
  Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", 2001.
"""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ferjax.errors import UserError, unknown_name

_SMALLEST_FACE = 30


class Box(NamedTuple):
    """A rectangle in pixels: its upper left corner, its width and height."""

    left: int
    top: int
    width: int
    height: int

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the centre."""
        return self.left + self.width / 2, self.top + self.height / 2


# Grey image, uint8 [H, W] → boxes, in any order.
Detector = Callable[[np.ndarray], Sequence[Box]]


def haar_faces(smallest: int = _SMALLEST_FACE) -> Detector:
    """Returns a detector of frontal faces: OpenCV's Haar cascade.

    Args:
      smallest: smallest side of a face, in pixels.

    Raises:
      UserError: OpenCV is not installed, or its version has no cascades.
    """
    return _cascade("haarcascade_frontalface_default.xml", 1.1, 5, smallest)


def haar_eyes() -> Detector:
    """Returns a detector of eyes in the crop of a face: OpenCV's Haar cascade.

    Raises:
      UserError: OpenCV is not installed, or its version has no cascades.
    """
    return _cascade("haarcascade_eye.xml", 1.1, 5, 6)


def largest(boxes: Sequence[Box], shape: tuple[int, int]) -> Box:
    """Returns the box with the largest area; if several are equal, the leftmost, then uppermost."""
    return min(boxes, key=lambda box: (-box.width * box.height, box))


def central(boxes: Sequence[Box], shape: tuple[int, int]) -> Box:
    """Returns the box with its centre nearest to the centre of an image of shape (H, W)."""
    height, width = shape

    def distance(box: Box) -> float:
        x, y = box.centre
        return (x - width / 2) ** 2 + (y - height / 2) ** 2

    return min(boxes, key=lambda box: (distance(box), box))


RULES: dict[str, Callable[[Sequence[Box], tuple[int, int]], Box]] = {
    "largest": largest,
    "centre": central,
}


def selection_rule(name: str) -> Callable[[Sequence[Box], tuple[int, int]], Box]:
    """Returns the rule that selects one of several faces, by its name in `RULES`.

    Raises:
      UserError: no rule has that name.
    """
    if name not in RULES:
        raise unknown_name("face rule", name, RULES)
    return RULES[name]


def _cascade(file: str, scale: float, neighbours: int, smallest: int) -> Detector:
    """Returns a detector that runs one of the cascades that are packaged with OpenCV 4."""
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError:
        raise UserError(
            "Face detection needs OpenCV, which is not installed. Run: pip install 'ferjax[faces]'"
        ) from None
    # OpenCV 5 dropped both the files and the class.
    path = Path(cv2.__file__).parent / "data" / file
    if not path.is_file() or not hasattr(cv2, "CascadeClassifier"):
        raise UserError(
            f"OpenCV {cv2.__version__} has no {file}: Haar cascades are part of versions 4.13 to "
            "4.x, not of 5. Run: pip install 'ferjax[faces]'"
        )
    cascade = cv2.CascadeClassifier(str(path))

    def detect(image: np.ndarray) -> list[Box]:
        rows = cascade.detectMultiScale(
            np.ascontiguousarray(image), scale, neighbours, minSize=(smallest, smallest)
        )
        return [Box(*map(int, row)) for row in rows]

    return detect
