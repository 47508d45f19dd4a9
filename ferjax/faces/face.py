"""Types of detected faces (box, face with landmarks), and rules that select one of several."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ferjax.errors import unknown_name


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


class Face(NamedTuple):
    """A face in an image.

    Attributes:
      box: the box in pixels; it may reach beyond the image.
      score: probability of a face, 0 to 1; None if the detector gives none.
      landmarks: float32 [5, 2], (x, y) in pixels of the eyes, the nose and the corners of the
        mouth, left before right in the image; None if the detector finds none.
    """

    box: Box
    score: float | None = None
    landmarks: np.ndarray | None = None


# Image, uint8 [H, W, C], C 1 (grey) or 3 (RGB) → faces, in any order.
Detector = Callable[[np.ndarray], Sequence[Face]]


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
