"""Recall and precision of face detectors on marked photographs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.bench.prediction.photographs import Marked, Photograph
from ferjax.faces.detectors import face_detector
from ferjax.faces.face import Box
from ferjax.runtime.progress_bar import tqdm

# Bounds of the ratio of a correct box's longer side to the height of the face.
_LEAST_RATIO, _MOST_RATIO = 0.5, 2.0


@dataclass(frozen=True)
class DetectorScore:
    """The score of a detector on all photographs.

    Attributes:
      detector: the detector's name.
      faces: number of marked faces.
      found: number of marked faces that the detector found.
      boxes: number of boxes that the detector returned.
      seconds: median time of a photograph.
      missed: name of the photograph of each face that was not found.
      false_alarms: name of the photograph of each box without a face.
    """

    detector: str
    faces: int
    found: int
    boxes: int
    seconds: float
    missed: tuple[str, ...]
    false_alarms: tuple[str, ...]

    @property
    def recall(self) -> float:
        """Share of the faces that were found."""
        return self.found / self.faces

    @property
    def precision(self) -> float:
        """Share of the boxes that contain a face."""
        return self.found / self.boxes if self.boxes else 0.0


def score_detectors(names: Sequence[str], photographs: Sequence[Photograph]) -> list[DetectorScore]:
    """Returns the scores of detectors (see `face_detector`), with their default settings."""
    return [_score(name, photographs) for name in names]


def _score(name: str, photographs: Sequence[Photograph]) -> DetectorScore:
    detect = face_detector(name).detect
    missed, alarms, seconds, box_count = [], [], [], 0
    for photograph in tqdm(photographs, desc=name, unit="photograph", disable=None, leave=False):
        detect(photograph.image)  # compiles for this size
        start = time.perf_counter()
        boxes = [face.box for face in detect(photograph.image)]
        seconds.append(time.perf_counter() - start)
        box_count += len(boxes)
        matched = matches(photograph.faces, boxes)
        missed += [photograph.name] * (len(photograph.faces) - matched)
        alarms += [photograph.name] * (len(boxes) - matched)
    faces = sum(len(photograph.faces) for photograph in photographs)
    median = float(np.median(seconds))
    return DetectorScore(
        name, faces, faces - len(missed), box_count, median, tuple(missed), tuple(alarms)
    )


def matches(faces: Sequence[Marked], boxes: Sequence[Box]) -> int:
    """Returns how many faces have a box of their own that contains the nose and fits in size."""
    unmatched = list(boxes)
    for face in faces:
        box = next((box for box in unmatched if _fits(box, face)), None)
        if box is not None:
            unmatched.remove(box)
    return len(boxes) - len(unmatched)


def _fits(box: Box, face: Marked) -> bool:
    inside = (
        box.left <= face.x <= box.left + box.width and box.top <= face.y <= box.top + box.height
    )
    return inside and _LEAST_RATIO <= max(box.width, box.height) / face.height <= _MOST_RATIO
