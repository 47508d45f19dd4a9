"""Face and eye detection with OpenCV's Haar cascades (Viola-Jones).

References:
  Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", 2001.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.faces.face import Box, Detector, Face
from ferjax.runtime.optional_packages import require_package

# ITU-R 601 luma, as in Pillow's conversion to grey.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def haar_faces(smallest: int = 30) -> Detector:
    """Returns a detector of frontal faces: OpenCV's Haar cascade. It returns boxes only.

    Args:
      smallest: least side of a face, in pixels.

    Raises:
      UserError: OpenCV is not installed, or its version has no cascades.
    """
    boxes = _cascade("haarcascade_frontalface_default.xml", 1.1, 5, smallest)
    return lambda image: [Face(box) for box in boxes(grey(image))]


def haar_eyes() -> Callable[[np.ndarray], Sequence[Box]]:
    """Returns a detector of eyes in the crop of a face, uint8 [h, w, C]: OpenCV's Haar cascade.

    Raises:
      UserError: OpenCV is not installed, or its version has no cascades.
    """
    boxes = _cascade("haarcascade_eye.xml", 1.1, 5, 6)
    return lambda face: boxes(grey(face))


def grey(image: np.ndarray) -> np.ndarray:
    """Returns uint8 [H, W], the luma of an image uint8 [H, W, 1 or 3]."""
    return image[..., 0] if image.shape[-1] == 1 else (image @ _LUMA).round().astype(np.uint8)


def opencv(needed_for: str) -> Any:
    """Returns the module `cv2`; raises `UserError` if it is not installed."""
    return require_package("cv2", "faces", needed_for)


def _cascade(
    file: str, scale: float, neighbours: int, smallest: int
) -> Callable[[np.ndarray], list[Box]]:
    """Returns a function from grey images to boxes: a cascade that comes with OpenCV 4.

    Only one thread at a time calls the cascade, which keeps the pyramid of its latest image.
    """
    cv2 = opencv("Face detection by Haar cascades")
    # OpenCV 5 dropped both the files and the class.
    path = Path(cv2.__file__).parent / "data" / file
    if not path.is_file() or not hasattr(cv2, "CascadeClassifier"):
        raise UserError(
            f"OpenCV {cv2.__version__} has no {file}: Haar cascades are part of versions 4.13 to "
            "4.x, not of 5. Run: pip install 'ferjax[faces]'"
        )
    cascade, lock = cv2.CascadeClassifier(str(path)), Lock()

    def detect(image: np.ndarray) -> list[Box]:
        image = np.ascontiguousarray(image)
        with lock:
            rows = cascade.detectMultiScale(image, scale, neighbours, minSize=(smallest, smallest))
        # OpenCV's threads return the boxes in a different order every time.
        return sorted(Box(*map(int, row)) for row in rows)

    return detect
