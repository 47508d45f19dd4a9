"""Emotions of the persons in a video: faces found every few frames, followed in between."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ferjax.faces.crop_face import CropPlan, crop_at
from ferjax.faces.face import Face
from ferjax.live.tracks import Track, between, follow, smoothed
from ferjax.live.video_frames import Frame
from ferjax.predict.predictor import Predictor


@dataclass(frozen=True)
class FollowSettings:
    """How persons are followed.

    Attributes:
      plan: how faces are found and cut out.
      every: faces are searched in every so many frames, and in the last one.
      window: seconds over which probabilities are smoothed; 0: not at all.
    """

    plan: CropPlan
    every: int = 5
    window: float = 0.5


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
    """What is known after a frame in which faces were searched.

    Attributes:
      tracks: the persons.
      persons: how many there have been.
      frame: number of that frame, -1 before the first.
      seconds: its time.
    """

    tracks: tuple[Track, ...] = ()
    persons: int = 0
    frame: int = -1
    seconds: float = -1.0


# Frames with their persons, and what is known after the last of them.
Group = tuple[list[tuple[Frame, list[FaceOfFrame]]], Followed]


def follow_faces(
    frames: Iterable[Frame], predictor: Predictor, settings: FollowSettings, known: Followed
) -> Iterator[Group]:
    """Yields the frames up to and with each one in which faces are searched, with their persons.

    A person in a frame between two such frames is one that was found in both.

    Args:
      frames: those after `known.frame`.
      predictor: names the faces.
      settings: see there.
      known: `Followed()`, or what an earlier call has ended with.
    """
    waiting: list[Frame] = []
    for frame in frames:
        waiting.append(frame)
        if frame.number % settings.every == 0:
            found = _group(waiting, predictor, settings, known)
            waiting, known = [], found[1]
            yield found
    if waiting:
        yield _group(waiting, predictor, settings, known)


def _group(
    frames: Sequence[Frame], predictor: Predictor, settings: FollowSettings, known: Followed
) -> Group:
    last = frames[-1]
    detected = list(settings.plan.detector(last.image))
    tracks, of_face, persons = follow(known.tracks, detected, last.seconds, known.persons)
    before = {track.person: track for track in known.tracks if track.seconds == known.seconds}
    places: list[tuple[Frame, int, Face]] = []
    for frame in frames[:-1]:
        for track in of_face:
            if track.person in before:
                face = between(before[track.person], track, frame.seconds)
                places.append((frame, track.person, face))
    places += [(last, track.person, face) for track, face in zip(of_face, detected, strict=True)]
    crops = [crop_at(frame.image, face, settings.plan) for frame, _, face in places]
    kept = [k for k, crop in enumerate(crops) if crop.size]
    named = dict(zip(kept, predictor.probabilities([crops[k] for k in kept]), strict=True))
    by_person = {track.person: track for track in tracks}
    faces: dict[int, list[FaceOfFrame]] = {frame.number: [] for frame in frames}
    for k, (frame, person, face) in enumerate(places):
        if k in named:
            track = smoothed(by_person[person], named[k], frame.seconds, settings.window)
            by_person[person] = track
            faces[frame.number].append(FaceOfFrame(person, face, track.probabilities))
    state = Followed(tuple(by_person.values()), persons, last.number, last.seconds)
    return [(frame, faces[frame.number]) for frame in frames], state


def to_json(known: Followed) -> dict[str, Any]:
    """Returns what is known as JSON values; `from_json` makes exactly that again."""
    return {**vars(known), "tracks": [vars(track) for track in known.tracks]}


def from_json(values: dict[str, Any]) -> Followed:
    """Returns what is known from the values of `to_json`."""
    tracks = []
    for each in values["tracks"]:
        fields: dict[str, Any] = dict(each)
        for key, value in each.items():
            fields[key] = tuple(value) if isinstance(value, list) else value
        tracks.append(Track(**fields))
    return replace(Followed(**values), tracks=tuple(tracks))
