"""Tables of a video: a row for each person in each frame, and a summary of each person."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferjax.live.follow_faces import FaceOfFrame
from ferjax.live.video_frames import Frame
from ferjax.predict.rows import NO_FACE, READ, class_columns

# Status of a frame without a person, in which faces were not searched.
NOT_SEARCHED = "not searched"


@dataclass(frozen=True)
class FrameRow:
    """A person in a frame, or a frame without a face.

    Attributes:
      frame: number of the frame from 0.
      seconds: time at which the frame is shown, 6 decimals.
      person: number from 0, or None for no face.
      box: left, top, width, height in pixels; empty without a face.
      score: probability of a face, 4 decimals; None in frames where faces were not searched.
      probabilities: smoothed probabilities of the emotions, 6 decimals; empty without a face.
      searched: whether faces were searched in this frame.
    """

    frame: int
    seconds: float
    person: int | None = None
    box: tuple[int, ...] = ()
    score: float | None = None
    probabilities: tuple[float, ...] = ()
    searched: bool = True


@dataclass(frozen=True)
class VideoColumns:
    """Columns of the table of a video."""

    classes: tuple[str, ...]

    def names(self) -> list[str]:
        """Returns the names of the columns, in their order."""
        box = ("left", "top", "width", "height", "score")
        first = ("frame", "seconds", "status", "person", "emotion", "confidence")
        return [*first, *class_columns(self.classes, {*first, *box}), *box]

    def cells(self, row: FrameRow) -> list[Any]:
        """Returns the values of a row in the order of the columns; None for a missing value."""
        if row.person is None:
            status = NO_FACE if row.searched else NOT_SEARCHED
            return [row.frame, row.seconds, status, *[None] * (len(self.names()) - 3)]
        best = int(np.argmax(row.probabilities))
        return [
            *(row.frame, row.seconds, READ, row.person),
            *(self.classes[best], row.probabilities[best], *row.probabilities),
            *(*row.box, row.score),
        ]


def rows_of_frame(
    frame: Frame, faces: Sequence[FaceOfFrame], *, searched: bool = True
) -> list[FrameRow]:
    """Returns a row for each person of a frame, or one row without a person.

    Args:
      frame: the frame.
      faces: the persons in the frame.
      searched: whether faces were searched in the frame; if not, its faces are interpolated.
    """
    seconds = round(frame.seconds, 6)
    rows = [
        FrameRow(
            frame.number,
            seconds,
            face.person,
            tuple(face.face.box),
            None if face.face.score is None else round(face.face.score, 4),
            tuple(round(value, 6) for value in face.probabilities),
            searched,
        )
        for face in faces
    ]
    return rows or [FrameRow(frame.number, seconds, searched=searched)]


def to_json(rows: Iterable[FrameRow]) -> str:
    """Returns a line of JSON for each row, a list of its values."""
    return "".join(json.dumps([*vars(row).values()]) + "\n" for row in rows)


def from_json(line: str | bytes) -> FrameRow:
    """Returns the row of a line of `to_json`."""
    # Lines of earlier versions end before `searched`.
    frame, seconds, person, box, score, probabilities, *searched = json.loads(line)
    return FrameRow(frame, seconds, person, tuple(box), score, tuple(probabilities), *searched)


@dataclass(frozen=True)
class PersonSummary:
    """A person over a whole video.

    Attributes:
      person: number of the person.
      first: seconds of the first frame with the person.
      last: seconds of the last frame with the person.
      frames: number of frames with the person.
      shares: float [K], mean probability of each emotion.
      step: length of a bin of the timeline in seconds.
      times: float [N], seconds at the middle of each bin that has a frame with the person.
      timeline: float [N, K], mean probabilities of the person's frames in each of these bins.
    """

    person: int
    first: float
    last: float
    frames: int
    shares: np.ndarray
    step: float
    times: np.ndarray
    timeline: np.ndarray


def summarise_persons(
    rows: Iterable[FrameRow], step: float = 0.5
) -> tuple[list[PersonSummary], int, int]:
    """Returns the persons, longest seen first, and the numbers of frames and of faceless frames.

    Faceless frames are those in which faces were searched and none was found.

    Args:
      rows: rows of the video's table, in their order.
      step: length of a bin of the timelines in seconds. Memory grows with the number of bins, not
        with the number of frames.
    """
    sums: dict[int, dict[int, np.ndarray]] = {}
    spans: dict[int, list[float]] = {}
    frames = without_face = 0
    last_frame = -1
    for row in rows:
        frames += row.frame != last_frame
        last_frame = row.frame
        if row.person is None:
            without_face += row.searched
            continue
        bins = sums.setdefault(row.person, {})
        values = np.array([1.0, *row.probabilities])
        bin_number = int(row.seconds // step)
        bins[bin_number] = bins.get(bin_number, 0) + values
        spans.setdefault(row.person, [row.seconds, row.seconds])[1] = row.seconds
    persons = [_summary(person, bins, spans[person], step) for person, bins in sums.items()]
    persons.sort(key=lambda person: (-person.frames, person.person))
    return persons, frames, without_face


def _summary(
    person: int, bins: dict[int, np.ndarray], span: Sequence[float], step: float
) -> PersonSummary:
    table = np.array([*bins.values()])
    total = table.sum(0)
    return PersonSummary(
        person,
        span[0],
        span[1],
        int(total[0]),
        total[1:] / total[0],
        step,
        (np.array([*bins]) + 0.5) * step,
        table[:, 1:] / table[:, :1],
    )


@dataclass(frozen=True)
class PersonColumns:
    """Columns of the table of persons."""

    classes: tuple[str, ...]

    def names(self) -> list[str]:
        """Returns the names of the columns, in their order."""
        first = ["person", "first", "last", "frames", "emotion", "confidence"]
        return [*first, *class_columns(self.classes, first)]

    def cells(self, row: PersonSummary) -> list[Any]:
        """Returns the values of a person; `confidence` is the mean probability of the emotion."""
        best = int(row.shares.argmax())
        shares = [round(float(share), 6) for share in row.shares]
        return [
            row.person,
            row.first,
            row.last,
            row.frames,
            self.classes[best],
            max(shares),
            *shares,
        ]
