"""Where the faces of a photograph are: Viola-Jones detection, and which of several to take.

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
    """A rectangle in pixels: its left upper corner, and how far it reaches right and down."""

    left: int
    top: int
    width: int
    height: int

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle."""
        return self.left + self.width / 2, self.top + self.height / 2


# uint8 [H, W], grey → boxes, in any order.
Detector = Callable[[np.ndarray], Sequence[Box]]


def haar_faces(smallest: int = _SMALLEST_FACE) -> Detector:
    """Returns OpenCV's Haar cascade for frontal faces.

    Args:
      smallest: side in pixels below which nothing is taken for a face.

    Raises:
      UserError: OpenCV is not installed, or its version has no cascades.
    """
    return _cascade("haarcascade_frontalface_default.xml", 1.1, 5, smallest)


def haar_eyes() -> Detector:
    """Returns OpenCV's Haar cascade for eyes, to be run on a face.

    Raises:
      UserError: OpenCV is not installed, or its version has no cascades.
    """
    return _cascade("haarcascade_eye.xml", 1.1, 5, 6)


def largest(boxes: Sequence[Box], shape: tuple[int, int]) -> Box:
    """Returns the box of the largest area; of equal ones the leftmost, then the uppermost."""
    return min(boxes, key=lambda box: (-box.width * box.height, box))


def central(boxes: Sequence[Box], shape: tuple[int, int]) -> Box:
    """Returns the box whose middle is nearest to that of an image of shape (H, W)."""
    height, width = shape

    def distance(box: Box) -> float:
        x, y = box.centre
        return (x - width / 2) ** 2 + (y - height / 2) ** 2

    return min(boxes, key=lambda box: (distance(box), box))


RULES: dict[str, Callable[[Sequence[Box], tuple[int, int]], Box]] = {
    "largest": largest,
    "centre": central,
}


def choice_rule(name: str) -> Callable[[Sequence[Box], tuple[int, int]], Box]:
    """Returns the rule that takes one of several faces, by its name in `RULES`.

    Raises:
      UserError: no rule has that name.
    """
    if name not in RULES:
        raise unknown_name("face rule", name, RULES)
    return RULES[name]


def _cascade(file: str, scale: float, neighbours: int, smallest: int) -> Detector:
    """Returns one of the cascades that OpenCV 4 brings along."""
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError:
        raise UserError(
            "finding faces needs OpenCV, which is not installed. Run: pip install 'ferjax[faces]'"
        ) from None
    # OpenCV 5 dropped both the files and the class.
    path = Path(cv2.__file__).parent / "data" / file
    if not path.is_file() or not hasattr(cv2, "CascadeClassifier"):
        raise UserError(
            f"OpenCV {cv2.__version__} has no {file}: Haar cascades come with versions from 4.13 "
            "to below 5. Run: pip install 'ferjax[faces]'"
        )
    cascade = cv2.CascadeClassifier(str(path))

    def detect(image: np.ndarray) -> list[Box]:
        found = cascade.detectMultiScale(
            np.ascontiguousarray(image), scale, neighbours, minSize=(smallest, smallest)
        )
        return [Box(*map(int, row)) for row in found]

    return detect
