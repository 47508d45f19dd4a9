"""Faces followed over time: detections assigned to persons, boxes between, smoothed emotions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from ferjax.faces.face import Box, Face

# Least overlap (intersection over union) of a face with where its person is expected.
_LEAST_OVERLAP = 0.2
# A person who is not found for so long gets a new number on return.
_PATIENCE_SECONDS = 1.0
# Share of the newest movement in the expected one.
_NEWEST = 0.6


@dataclass(frozen=True)
class Track:
    """A person as of the last frame in which faces were searched.

    Attributes:
      person: number from 0, in the order of appearance.
      box: left, top, width, height in pixels, where the face was found last.
      landmarks: x, y of its five points, or empty.
      velocity: pixels a second, of the upper left corner.
      seconds: when it was found last.
      probabilities: smoothed, float [K]; empty before the first.
      smoothed_at: time of the newest of them.
    """

    person: int
    box: tuple[float, ...]
    landmarks: tuple[float, ...] = ()
    velocity: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0
    probabilities: tuple[float, ...] = ()
    smoothed_at: float = 0.0


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns float [N, M], intersection over union of boxes [N, 4] and [M, 4].

    Boxes are left, top, width, height.
    """
    first = np.maximum(boxes[:, None, :2], others[None, :, :2])
    ends = np.minimum(
        boxes[:, None, :2] + boxes[:, None, 2:], others[None, :, :2] + others[None, :, 2:]
    )
    common = (ends - first).clip(0).prod(-1)
    return common / (boxes[:, 2:].prod(-1)[:, None] + others[:, 2:].prod(-1)[None] - common)


def follow(
    tracks: Sequence[Track], faces: Sequence[Face], seconds: float, persons: int
) -> tuple[list[Track], list[Track], int]:
    """Assigns faces to persons, by their overlap with where each person is expected.

    The assignment maximises the sum of overlaps; a person is expected where the last movement
    leads, so that two who cross keep their numbers.

    Args:
      tracks: the persons so far.
      faces: that were found at `seconds`.
      seconds: time of the frame.
      persons: how many persons there have been.

    Returns:
      The tracks that go on, the track of each face, and how many persons there have been.
    """
    boxes = np.array([face.box for face in faces], float).reshape(-1, 4)
    alive = [track for track in tracks if seconds - track.seconds <= _PATIENCE_SECONDS]
    expected = np.array([_expected(track, seconds) for track in alive], float).reshape(-1, 4)
    table = overlaps(expected, boxes)
    of_face: dict[int, Track] = {}
    for row, column in zip(*linear_sum_assignment(-table), strict=True):
        if table[row, column] >= _LEAST_OVERLAP:
            of_face[int(column)] = _moved(alive[row], faces[column], seconds)
    for number, face in enumerate(faces):
        if number not in of_face:
            box = tuple(map(float, face.box))
            of_face[number] = Track(persons, box, _points(face), seconds=seconds)
            persons += 1
    found = {track.person for track in of_face.values()}
    lost = [track for track in alive if track.person not in found]
    ordered = [of_face[number] for number in range(len(faces))]
    return [*ordered, *lost], ordered, persons


def between(earlier: Track, later: Track, seconds: float) -> Face:
    """Returns the face of a person at a time between two frames in which it was found."""
    length = later.seconds - earlier.seconds
    share = (seconds - earlier.seconds) / length if length > 0 else 1.0

    def blend(first: Sequence[float], last: Sequence[float]) -> np.ndarray:
        return (1 - share) * np.array(first) + share * np.array(last)

    left, top, width, height = (round(float(side)) for side in blend(earlier.box, later.box))
    points = None
    if earlier.landmarks and later.landmarks:
        points = blend(earlier.landmarks, later.landmarks).astype(np.float32).reshape(5, 2)
    return Face(Box(left, top, max(width, 1), max(height, 1)), None, points)


def expected_face(track: Track, seconds: float) -> Face:
    """Returns where the face of a person is expected after the frame in which it was found."""
    left, top, width, height = _expected(track, seconds)
    moved = left - track.box[0], top - track.box[1]
    points = None
    if track.landmarks:
        points = np.array(track.landmarks, np.float32).reshape(5, 2) + np.array(moved, np.float32)
    return Face(Box(round(left), round(top), round(width), round(height)), None, points)


def smoothed(track: Track, probabilities: np.ndarray, seconds: float, window: float) -> Track:
    """Returns a track whose probabilities have moved towards new ones.

    The weight of what was seen falls by a factor of e in each `window` seconds; 0: no smoothing.
    """
    passed = seconds - track.smoothed_at
    kept = math.exp(-passed / window) if window > 0 and track.probabilities else 0.0
    old = np.array(track.probabilities or probabilities, float)
    values = kept * old + (1 - kept) * probabilities.astype(float)
    return replace(track, probabilities=tuple(map(float, values)), smoothed_at=seconds)


def _expected(track: Track, seconds: float) -> tuple[float, ...]:
    """Returns where a face is expected: it moves on as it did, and keeps its size."""
    passed = seconds - track.seconds
    left, top, width, height = track.box
    dx, dy = track.velocity
    return left + dx * passed, top + dy * passed, width, height


def _moved(track: Track, face: Face, seconds: float) -> Track:
    """Returns a track that was found again."""
    passed = max(seconds - track.seconds, 1e-6)
    newest = (np.array(face.box[:2]) - np.array(track.box[:2])) / passed
    velocity = _NEWEST * newest + (1 - _NEWEST) * np.array(track.velocity)
    return replace(
        track,
        box=tuple(map(float, face.box)),
        landmarks=_points(face),
        velocity=(float(velocity[0]), float(velocity[1])),
        seconds=seconds,
    )


def _points(face: Face) -> tuple[float, ...]:
    return () if face.landmarks is None else tuple(map(float, face.landmarks.ravel()))
