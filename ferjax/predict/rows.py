"""The lines of a prediction table: an input that was not read, a whole picture, or a face."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ferjax.report.prediction_sets import prediction_sets

# Statuses of inputs that were read; the statuses of other inputs are in `inputs`.
READ, NO_FACE = "read", "no face"
# The landmarks, in the order of `Row.landmarks`.
LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


@dataclass(frozen=True)
class Row:
    """One line of the table. Its numbers are rounded to the decimals of the table.

    Attributes:
      file: name of the input.
      status: `READ`, `NO_FACE`, or a status of `inputs`, which says why there is no emotion.
      probabilities: of the emotions, 6 decimals; empty if there are none.
      inside: whether each emotion is in the prediction set; empty without sets.
      face: number of the face in the picture, from 0; None: the row is about the whole picture.
      box: left, top, width, height of the face in pixels; empty for a whole picture.
      score: probability of a face, 4 decimals, or None.
      landmarks: x, y of five points, 1 decimal; empty where they are not known.
      reason: why the input is unreadable.
    """

    file: str
    status: str
    probabilities: tuple[float, ...] = ()
    inside: tuple[bool, ...] = ()
    face: int | None = None
    box: tuple[int, ...] = ()
    score: float | None = None
    landmarks: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class TableColumns:
    """The columns of a prediction table.

    Attributes:
      classes: names of the emotions.
      faces: whether there are columns for boxes and landmarks.
      sets: whether there is a column for prediction sets.
    """

    classes: tuple[str, ...]
    faces: bool = True
    sets: bool = False

    def names(self) -> list[str]:
        """Returns the names of the columns, in their order."""
        points = [f"{point}_{axis}" for point in LANDMARKS for axis in "xy"]
        box = ["face", "left", "top", "width", "height", "score", *points]
        other_columns = ["file", "status", "emotion", "confidence", "set", *box, "reason"]
        return [
            *("file", "status", "emotion", "confidence"),
            *class_columns(self.classes, other_columns),
            *(["set"] if self.sets else []),
            *(box if self.faces else []),
            "reason",
        ]

    def cells(self, row: Row) -> list[Any]:
        """Returns the values of a row in the order of the columns; None is an empty cell."""
        emotion = confidence = set_text = None
        if row.probabilities:
            order = np.argsort(-np.array(row.probabilities), kind="stable")
            emotion, confidence = self.classes[order[0]], row.probabilities[order[0]]
            if row.inside:
                set_text = " ".join(self.classes[k] for k in order if row.inside[k])
        face_cells: list[Any] = [row.face, *(row.box or [None] * 4)]
        face_cells += [row.score, *(row.landmarks or [None] * 10)]
        return [
            *(row.file, row.status, emotion, confidence),
            *(row.probabilities or [None] * len(self.classes)),
            *([set_text] if self.sets else []),
            *(face_cells if self.faces else []),
            row.reason or None,
        ]


def class_columns(classes: Sequence[str], others: Collection[str]) -> list[str]:
    """Returns the columns of the classes, with `class ` before a name that another column has."""
    return [f"class {name}" if name in others else name for name in classes]


def rows_of_probabilities(
    rows: Sequence[Row], probabilities: np.ndarray, set_threshold: float | None
) -> list[Row]:
    """Returns the N rows with their probabilities, float [N, K], and their prediction sets."""
    rounded = np.round(probabilities.astype(float), 6)
    inside = [()] * len(rows)
    if set_threshold is not None and len(rows):
        sets = prediction_sets(probabilities, set_threshold)
        inside = [tuple(map(bool, each)) for each in sets]
    return [
        replace(row, probabilities=tuple(map(float, values)), inside=members)
        for row, values, members in zip(rows, rounded, inside, strict=True)
    ]


def to_json(rows: Iterable[Row]) -> str:
    """Returns a line of JSON for each row, without its empty values."""
    return "".join(
        json.dumps({key: value for key, value in vars(row).items() if value not in (None, (), "")})
        + "\n"
        for row in rows
    )


def from_json(line: str | bytes) -> Row:
    """Returns the row of a line of `to_json`; raises an error for any other line."""
    return Row(**with_tuples(json.loads(line)))


def with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns JSON values with their lists converted to tuples."""
    return {k: tuple(value) if isinstance(value, list) else value for k, value in values.items()}
