"""The numbering of AffectNet, and an annotated image as all its layouts give it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ferjax.data.reading.spreadsheet_cells import whole_number
from ferjax.errors import UserError

# Label k is NUMBERED[k]; the labels after it are no emotions.
NUMBERED = (
    "neutral",
    "happiness",
    "sadness",
    "surprise",
    "fear",
    "disgust",
    "anger",
    "contempt",
)
NO_EMOTIONS = ("None", "Uncertain", "No-Face")
# Names of the splits in the npy release; a list or folder of another name means one of them.
TRAIN, VAL = "train_set", "val_set"


@dataclass(frozen=True)
class Face:
    """An annotated image.

    Attributes:
      split: `TRAIN` or `VAL`.
      label: 0 to 10, an index into NUMBERED and then NO_EMOTIONS.
      path: its file.
      box: left, top, right and bottom of the face in it; None where the file is the face.
    """

    split: str
    label: int
    path: Path
    box: tuple[int, int, int, int] | None = None


def read_label(text: str, where: str) -> int:
    """Returns the label that a text such as `3` or `3.0` is; `UserError` unless 0 to 10."""
    label = whole_number(text)
    if label is None or not 0 <= label < len(NUMBERED) + len(NO_EMOTIONS):
        raise UserError(
            f"{where}: label {text[:40]!r}, expected 0 to 7 "
            f"({', '.join(f'{k} {name}' for k, name in enumerate(NUMBERED))}) or 8 to 10 "
            f"({', '.join(NO_EMOTIONS)}); get the annotations again"
        )
    return label


def without_repeats(faces: Iterable[Face]) -> tuple[list[Face], tuple[str, ...]]:
    """Returns each face once, the first of those that repeat, and a note that counts the others."""
    first: dict[tuple[Path, tuple[int, int, int, int] | None], Face] = {}
    repeated = conflicting = 0
    for face in faces:
        kept = first.setdefault((face.path, face.box), face)
        repeated += kept is not face
        conflicting += kept.label != face.label
    other = f" ({conflicting:,} of them another label)" if conflicting else ""
    note = f"{repeated:,} rows give a face again{other}: the first counts"
    return list(first.values()), (note,) if repeated else ()


def left_out_notes(faces: Iterable[Face], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Returns a note that counts the images of labels that are no classes, or no note."""
    names = (*NUMBERED, *NO_EMOTIONS)
    counts = Counter(names[face.label] for face in faces)
    left_out = [f"{counts[n]:,} of {n}" for n in names if counts[n] and n not in classes]
    return (f"images of other labels are left out: {', '.join(left_out)}",) if left_out else ()
