"""The two layouts that FER+ comes in: votes beside pictures, or votes beside fer2013.csv."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.data.datasets.ferplus.votes_to_labels import CLASSES, COLUMNS, vote_labels
from ferjax.data.decoding.image_file import image_split
from ferjax.data.reading.class_folders import describe_path, layout_error
from ferjax.data.reading.csv_rows import csv_records, named_rows
from ferjax.data.reading.pixel_csv import SIDE, read_pixel_csv
from ferjax.data.splits.split import Split, subset
from ferjax.errors import UserError

# FER2013's usage → FER+'s folder.
FOLDERS = {
    "Training": "FER2013Train",
    "PublicTest": "FER2013Valid",
    "PrivateTest": "FER2013Test",
}
ROWS = 35_887
_ROOTS = (".", "data", "FERPlus/data", "FERPlus", "ferplus")
_WHOLE_FACE = "(0,0,48,48)"
# FER2013's own numbering, to see whether two files belong together.
_FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


@dataclass(frozen=True)
class Voted:
    """Faces and their votes, as found on disk.

    Attributes:
      split: N faces, labels all 0.
      votes: int64 [N, 10], columns as in `ferplus_votes.COLUMNS`.
      own: str [N], each face's folder, a value of `FOLDERS`.
      layout: the layout in words.
      where: the file or folder, for messages.
      notes: remarks for the report.
    """

    split: Split
    votes: np.ndarray
    own: np.ndarray
    layout: str
    where: str
    notes: tuple[str, ...] = ()


def find_votes(
    data_dir: Path, storage_size: int, on_bad_image: str, layouts: Iterable[str], source: str
) -> Voted:
    """Returns the faces and votes of whichever layout lies at `data_dir`.

    Raises:
      UserError: neither layout is there, a file is broken, or files do not belong together.
    """
    roots = [data_dir / name for name in _ROOTS]
    labelled = [root for root in roots if (root / "FER2013Train" / "label.csv").is_file()]
    drawn = [root for root in labelled if next((root / "FER2013Train").glob("*.png"), None)]
    if drawn:
        return _from_folders(drawn[0], storage_size, on_bad_image)
    lists = [root / "fer2013new.csv" for root in roots if (root / "fer2013new.csv").is_file()]
    faces = [root / "fer2013.csv" for root in (*(p.parent for p in lists), data_dir)]
    faces = [path for path in faces if path.is_file()]
    if lists and faces:
        return _from_csv(lists[0], faces[0])
    if lists or labelled:
        here = lists[0] if lists else labelled[0] / "FER2013Train" / "label.csv"
        raise UserError(
            f"{here}: votes without faces, {here.parent} {describe_path(here.parent)}. Put "
            f"fer2013.csv ({ROWS:,} rows, from Kaggle) beside fer2013new.csv, or draw the faces "
            "beside each label.csv with FERPlus's generate_training_data.py"
        )
    raise layout_error("FER+", data_dir, layouts, source)


def _from_folders(root: Path, storage_size: int, on_bad_image: str) -> Voted:
    """Reads FER2013*/label.csv and the PNG files beside each."""
    paths: list[Path] = []
    votes: list[list[int]] = []
    own: list[str] = []
    for name in FOLDERS.values():
        if not (root / name / "label.csv").is_file():
            continue
        rows = read_label_csv(root / name / "label.csv")
        present = {path.name for path in (root / name).iterdir()}
        absent = [image for image in rows if image not in present]
        # A clone of the repository holds all three lists and no pictures.
        if len(absent) == len(rows):
            continue
        if absent:
            raise UserError(
                f"{root / name}: {len(absent):,} of the {len(rows):,} images that label.csv lists "
                f"are absent, first {absent[0]}; run generate_training_data.py again"
            )
        paths += [root / name / image for image in rows]
        votes += rows.values()
        own += [name] * len(rows)
    ids = [path.relative_to(root).as_posix() for path in paths]
    labels = np.zeros(len(paths), np.int32)
    split = image_split("all", paths, labels, ids, storage_size, on_bad_image=on_bad_image)
    layout = "FER2013*/label.csv beside PNG files"
    return Voted(split, np.array(votes, np.int64), np.array(own), layout, str(root))


def read_label_csv(path: Path) -> dict[str, list[int]]:
    """Reads one label.csv: rows of image name, face box (older lists have none), ten votes.

    Returns:
      Image name → votes, columns as in `ferplus_votes.COLUMNS`.

    Raises:
      UserError: no rows, a broken one, or an image that is listed twice.
    """
    found: dict[str, list[int]] = {}
    for place, fields in csv_records(path):
        name, *rest = (field.strip() for field in fields)
        if len(rest) == len(COLUMNS) + 1:
            box, *rest = rest
            if box.replace(" ", "") != _WHOLE_FACE:
                raise UserError(
                    f"{place}: face box {box[:40]!r}, expected (0, 0, {SIDE}, {SIDE}) as released; "
                    "download label.csv again"
                )
        if name in found:
            raise UserError(f"{place}: {name} is listed twice; remove one of the rows")
        if not name or Path(name).name != name:
            raise UserError(f"{place}: {name[:60]!r}, expected an image name like fer0000000.png")
        found[name] = _votes(rest, place)
    if not found:
        raise UserError(f"{path}: no rows; download it again")
    return found


def _votes(fields: list[str], place: str) -> list[int]:
    """Returns ten votes as numbers."""
    # No more than three digits: a vote is a count of some ten people.
    if len(fields) != len(COLUMNS) or not all(
        field.isascii() and field.isdecimal() and len(field) <= 3 for field in fields
    ):
        raise UserError(
            f"{place}: {', '.join(fields)[:80]!r}, expected {len(COLUMNS)} votes ("
            f"{', '.join(COLUMNS)}), each a whole number; the file may be cut off: download it "
            "again"
        )
    return [int(field) for field in fields]


def _from_csv(list_path: Path, face_path: Path) -> Voted:
    """Reads fer2013new.csv, whose row i is row i of fer2013.csv."""
    rows = [
        (place, usage, name, _votes(votes, place))
        for place, (usage, name, *votes) in named_rows(list_path, ("Usage", "Image name", *COLUMNS))
    ]
    faces = read_pixel_csv(face_path, len(_FER2013))
    for path, count in ((list_path, len(rows)), (face_path, len(faces.emotion))):
        if count != ROWS:
            raise UserError(
                f"{path}: {count:,} rows, expected {ROWS:,}: row i of fer2013new.csv is row i of "
                "fer2013.csv, so both must be whole. With another copy of the faces use the layout "
                "FER2013Train/label.csv beside fer*.png (FERPlus's generate_training_data.py)"
            )
    for (place, usage, _, _), other in zip(rows, faces.usage.tolist(), strict=True):
        if usage != other:
            raise UserError(
                f"{place}: Usage {usage!r}, but {face_path.name} has {other} in that row: its rows "
                "were reordered. Get the original fer2013.csv"
            )
    votes = np.array([row[3] for row in rows], np.int64)
    named = np.flatnonzero([bool(row[2]) for row in rows])  # a blank name: removed, no face
    ids = tuple(f"{face_path.name}:{row}" for row in range(1, ROWS + 1))
    images = faces.images
    zeros = np.zeros(ROWS, np.int32)
    whole = Split("all", zeros, ids, (SIDE, SIDE, 1), lambda indices: images[indices])
    _check_same_faces(votes[named], faces.emotion[named], face_path)
    own = np.array([FOLDERS[usage] for usage in faces.usage.tolist()])
    layout = f"{list_path.name} beside {face_path.name}"
    return Voted(subset(whole, named), votes[named], own[named], layout, str(list_path))


def _check_same_faces(votes: np.ndarray, emotion: np.ndarray, path: Path) -> None:
    """Refuses FER2013 labels that have nothing to do with the votes: the rows were reordered."""
    kept, labels, _ = vote_labels(votes, "majority")
    to_class = np.array([CLASSES.index(name) for name in _FER2013])
    agree = (labels == to_class[emotion])[kept]
    # Of the released pairs two thirds agree; a shifted or shuffled file has a fifth.
    if len(agree) and agree.mean() < 0.4:
        raise UserError(
            f"{path}: its emotions agree with fer2013new.csv's votes in {agree.mean():.0%} of the "
            "rows, expected about two thirds: its rows were reordered. Get the original fer2013.csv"
        )
