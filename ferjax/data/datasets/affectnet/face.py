"""The class numbers of AffectNet, and the annotated image that readers of all layouts return."""

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
      path: the image file.
      box: left, top, right and bottom of the face in the image; None if the file is the face.
    """

    split: str
    label: int
    path: Path
    box: tuple[int, int, int, int] | None = None


def read_label(text: str, where: str) -> int:
    """Returns the label in a text such as `3` or `3.0`; raises `UserError` unless it is 0 to 10."""
    label = whole_number(text)
    if label is None or not 0 <= label < len(NUMBERED) + len(NO_EMOTIONS):
        raise UserError(
            f"{where}: label {text[:40]!r}, expected 0 to 7 "
            f"({', '.join(f'{k} {name}' for k, name in enumerate(NUMBERED))}) or 8 to 10 "
            f"({', '.join(NO_EMOTIONS)}); get the annotations again"
        )
    return label


def without_repeats(faces: Iterable[Face]) -> tuple[list[Face], tuple[str, ...]]:
    """Returns each face once, as its first row gives it, and a note that counts the repeats."""
    unique: dict[tuple[Path, tuple[int, int, int, int] | None], Face] = {}
    repeated = conflicting = 0
    for face in faces:
        first_face = unique.setdefault((face.path, face.box), face)
        repeated += first_face is not face
        conflicting += first_face.label != face.label
    conflict_text = f" ({conflicting:,} of them another label)" if conflicting else ""
    note = f"{repeated:,} rows give a face again{conflict_text}: the first counts"
    return list(unique.values()), (note,) if repeated else ()


def left_out_notes(faces: Iterable[Face], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Returns a note that counts the images of labels that are no classes, or no note."""
    names = (*NUMBERED, *NO_EMOTIONS)
    counts = Counter(names[face.label] for face in faces)
    left_out = [f"{counts[n]:,} of {n}" for n in names if counts[n] and n not in classes]
    return (f"images of other labels are left out: {', '.join(left_out)}",) if left_out else ()
