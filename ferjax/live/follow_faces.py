"""Emotions of the persons in a video: faces are searched every few frames, else interpolated."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ferjax.faces.crop_face import CropPlan, crop_at
from ferjax.faces.face import Face
from ferjax.live.tracks import Track, between, follow, smoothed
from ferjax.live.video_frames import Frame
from ferjax.predict.predictor import Predictor
from ferjax.predict.rows import with_tuples


@dataclass(frozen=True)
class FollowSettings:
    """How persons are followed.

    Attributes:
      plan: how faces are found and cropped.
      every: faces are searched in frames whose number is a multiple of this, and in the last frame.
      window: seconds over which probabilities are smoothed; 0 for no smoothing.
    """

    plan: CropPlan
    every: int = 5
    window: float = 0.5

    def searches(self, frame: Frame) -> bool:
        """Returns whether faces are searched in a frame that is not the last one."""
        return frame.number % self.every == 0


@dataclass(frozen=True)
class FaceOfFrame:
    """A person in a frame.

    Attributes:
      person: number from 0, in the order of appearance.
      face: box and landmarks, found in this frame or interpolated; score None if interpolated.
      probabilities: float [K], smoothed.
    """

    person: int
    face: Face
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Followed:
    """The state after a frame in which faces were searched.

    Attributes:
      tracks: the persons.
      persons: number of persons so far.
      frame: number of that frame; -1 before the first frame.
      seconds: time of that frame.
    """

    tracks: tuple[Track, ...] = ()
    persons: int = 0
    frame: int = -1
    seconds: float = -1.0


# Frames with their persons, and the state after the last frame.
Group = tuple[list[tuple[Frame, list[FaceOfFrame]]], Followed]


def follow_faces(
    frames: Iterable[Frame], predictor: Predictor, settings: FollowSettings, state: Followed
) -> Iterator[Group]:
    """Yields groups of frames with their persons; faces are searched in the last frame of each.

    The other frames of a group show the persons who were found both in the last frame of their
    group and in the last frame of the previous group.

    Args:
      frames: the frames after `state.frame`.
      predictor: names the faces.
      settings: how persons are followed.
      state: `Followed()`, or the last state of an earlier call.
    """
    waiting: list[Frame] = []
    for frame in frames:
        waiting.append(frame)
        if settings.searches(frame):
            group = _group(waiting, predictor, settings, state)
            waiting, state = [], group[1]
            yield group
    if waiting:
        yield _group(waiting, predictor, settings, state)


def _group(
    frames: Sequence[Frame], predictor: Predictor, settings: FollowSettings, state: Followed
) -> Group:
    last = frames[-1]
    detected = list(settings.plan.detector(last.image))
    tracks, face_tracks, persons = follow(
        state.tracks, detected, last.seconds, state.persons, state.seconds
    )
    previous = {track.person: track for track in state.tracks if track.seconds == state.seconds}
    places: list[tuple[Frame, int, Face]] = []
    for frame in frames[:-1]:
        for track in face_tracks:
            if track.person in previous:
                face = between(previous[track.person], track, frame.seconds)
                places.append((frame, track.person, face))
    places += [
        (last, track.person, face) for track, face in zip(face_tracks, detected, strict=True)
    ]
    named = named_faces([(frame, face) for frame, _, face in places], predictor, settings.plan)
    by_person = {track.person: track for track in tracks}
    faces: dict[int, list[FaceOfFrame]] = {frame.number: [] for frame in frames}
    for k, (frame, person, face) in enumerate(places):
        if k in named:
            track = smoothed(by_person[person], named[k], frame.seconds, settings.window)
            by_person[person] = track
            faces[frame.number].append(FaceOfFrame(person, face, track.probabilities))
    state = Followed(tuple(by_person.values()), persons, last.number, last.seconds)
    return [(frame, faces[frame.number]) for frame in frames], state


def named_faces(
    places: Sequence[tuple[Frame, Face]], predictor: Predictor, plan: CropPlan
) -> dict[int, np.ndarray]:
    """Returns index in `places` → probabilities [K], for the faces that lie inside their frames."""
    crops = [crop_at(frame.image, face, plan) for frame, face in places]
    inside = [k for k, crop in enumerate(crops) if crop.size]
    return dict(zip(inside, predictor.probabilities([crops[k] for k in inside]), strict=True))


def to_json(state: Followed) -> dict[str, Any]:
    """Returns a state as JSON values, from which `from_json` restores it exactly."""
    return {**vars(state), "tracks": [vars(track) for track in state.tracks]}


def from_json(values: dict[str, Any]) -> Followed:
    """Returns the state from the values of `to_json`."""
    tracks = tuple(Track(**with_tuples(track)) for track in values["tracks"])
    return replace(Followed(**values), tracks=tracks)
