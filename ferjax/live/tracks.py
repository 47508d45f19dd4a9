"""Tracks of faces: detections assigned to persons, interpolated boxes, smoothed emotions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from ferjax.faces.face import Box, Face

# Least overlap (intersection over union) of a face with the expected box of its person.
_LEAST_OVERLAP = 0.2
# A person who was missed by a search and is found again after longer than this since it was last
# found gets a new number.
_PATIENCE_SECONDS = 1.0
# Weight of the newest movement in the velocity of a track.
_NEWEST = 0.6


@dataclass(frozen=True)
class Track:
    """A person, as last found by a search for faces.

    Attributes:
      person: number from 0, in the order of appearance.
      box: left, top, width, height in pixels of the face when it was last found.
      landmarks: x, y of the face's five points, or empty.
      velocity: pixels a second of the upper left corner of the box.
      seconds: time at which the face was last found.
      probabilities: smoothed, float [K]; empty before the first probabilities.
      smoothed_at: time of the newest probabilities.
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
    tracks: Sequence[Track],
    faces: Sequence[Face],
    seconds: float,
    persons: int,
    previous: float | None = None,
) -> tuple[list[Track], list[Track], int]:
    """Assigns faces to persons by their overlap with the expected box of each person.

    The assignment maximises the sum of the overlaps. The expected box continues the last movement
    of the person, so that two persons who cross keep their numbers. A person keeps the number if it
    was found by the previous search, however long ago that was, or within the last second.

    Args:
      tracks: the persons so far.
      faces: the faces that were found at `seconds`.
      seconds: time of the frame.
      persons: number of persons so far.
      previous: time of the previous search, None if there was none.

    Returns:
      The tracks that continue, the track of each face, and the number of persons so far.
    """
    boxes = np.array([face.box for face in faces], float).reshape(-1, 4)
    alive = [
        track
        for track in tracks
        if track.seconds == previous or seconds - track.seconds <= _PATIENCE_SECONDS
    ]
    expected = np.array([_expected_box(track, seconds) for track in alive], float).reshape(-1, 4)
    overlap = overlaps(expected, boxes)
    face_tracks: dict[int, Track] = {}
    for row, column in zip(*linear_sum_assignment(-overlap), strict=True):
        if overlap[row, column] >= _LEAST_OVERLAP:
            face_tracks[int(column)] = _updated(alive[row], faces[column], seconds)
    for number, face in enumerate(faces):
        if number not in face_tracks:
            box = tuple(map(float, face.box))
            face_tracks[number] = Track(persons, box, _landmark_values(face), seconds=seconds)
            persons += 1
    found_persons = {track.person for track in face_tracks.values()}
    lost = [track for track in alive if track.person not in found_persons]
    ordered = [face_tracks[number] for number in range(len(faces))]
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
    """Returns the face of a person as expected at a time after it was last found."""
    left, top, width, height = _expected_box(track, seconds)
    moved = left - track.box[0], top - track.box[1]
    points = None
    if track.landmarks:
        points = np.array(track.landmarks, np.float32).reshape(5, 2) + np.array(moved, np.float32)
    return Face(Box(round(left), round(top), round(width), round(height)), None, points)


def smoothed(track: Track, probabilities: np.ndarray, seconds: float, window: float) -> Track:
    """Returns a track whose probabilities are smoothed with new ones.

    The weight of the earlier probabilities falls by a factor of e in every `window` seconds. A
    window of 0 means no smoothing.
    """
    elapsed = seconds - track.smoothed_at
    weight = math.exp(-elapsed / window) if window > 0 and track.probabilities else 0.0
    earlier = np.array(track.probabilities or probabilities, float)
    values = weight * earlier + (1 - weight) * probabilities.astype(float)
    return replace(track, probabilities=tuple(map(float, values)), smoothed_at=seconds)


def _expected_box(track: Track, seconds: float) -> tuple[float, ...]:
    """Returns the expected box of a face: it moves at the last velocity and keeps its size."""
    elapsed = seconds - track.seconds
    left, top, width, height = track.box
    dx, dy = track.velocity
    return left + dx * elapsed, top + dy * elapsed, width, height


def _updated(track: Track, face: Face, seconds: float) -> Track:
    """Returns a track with the box, landmarks and velocity of a face that was assigned to it."""
    elapsed = max(seconds - track.seconds, 1e-6)
    newest = (np.array(face.box[:2]) - np.array(track.box[:2])) / elapsed
    velocity = _NEWEST * newest + (1 - _NEWEST) * np.array(track.velocity)
    return replace(
        track,
        box=tuple(map(float, face.box)),
        landmarks=_landmark_values(face),
        velocity=(float(velocity[0]), float(velocity[1])),
        seconds=seconds,
    )


def _landmark_values(face: Face) -> tuple[float, ...]:
    return () if face.landmarks is None else tuple(map(float, face.landmarks.ravel()))
