"""Reads the vote files of FER+: label.csv with PNG images, or fer2013new.csv with fer2013.csv."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from ferjax.data.datasets.ferplus.votes_to_labels import CLASSES, COLUMNS, vote_labels
from ferjax.data.decoding.image_split import image_split
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
# The numbering of fer2013.csv; it is used to check that two files belong together.
_FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


@dataclass(frozen=True)
class VotedImages:
    """Images and their votes.

    Attributes:
      split: N images; all labels are 0.
      votes: int64 [N, 10], columns as in `votes_to_labels.COLUMNS`.
      folders: str [N], the folder of each image, a value of `FOLDERS`.
      layout: description of the layout.
      where: the file or folder, for messages.
      notes: remarks for the report.
    """

    split: Split
    votes: np.ndarray
    folders: np.ndarray
    layout: str
    where: str
    notes: tuple[str, ...] = ()


def find_votes(
    data_dir: Path, storage_size: int, on_bad_image: str, layouts: Iterable[str], source: str
) -> VotedImages:
    """Returns the images and votes at `data_dir`, in either layout.

    Raises:
      UserError: no known layout, a broken file, or files that do not belong together.
    """
    roots = [data_dir / name for name in _ROOTS]
    # FER2013Train first; a copy of another folder alone can be evaluated, but not trained on.
    label_folders = [
        root / folder
        for folder, root in product(FOLDERS.values(), roots)
        if (root / folder / "label.csv").is_file()
    ]
    with_images = [folder for folder in label_folders if next(folder.glob("*.png"), None)]
    if with_images:
        return _read_folders(with_images[0].parent, storage_size, on_bad_image)
    list_paths = [root / "fer2013new.csv" for root in roots if (root / "fer2013new.csv").is_file()]
    face_paths = [root / "fer2013.csv" for root in (*(p.parent for p in list_paths), data_dir)]
    face_paths = [path for path in face_paths if path.is_file()]
    if list_paths and face_paths:
        return _read_csv_files(list_paths[0], face_paths[0])
    if list_paths or label_folders:
        path = list_paths[0] if list_paths else label_folders[0] / "label.csv"
        raise UserError(
            f"{path}: votes without faces, {path.parent} {describe_path(path.parent)}. Put "
            f"fer2013.csv ({ROWS:,} rows, from Kaggle) beside fer2013new.csv, or draw the faces "
            "beside each label.csv with FERPlus's generate_training_data.py"
        )
    raise layout_error("FER+", data_dir, layouts, source)


def _read_folders(root: Path, storage_size: int, on_bad_image: str) -> VotedImages:
    """Reads FER2013*/label.csv and the PNG files in the same folders."""
    paths: list[Path] = []
    votes: list[list[int]] = []
    folders: list[str] = []
    for name in FOLDERS.values():
        if not (root / name / "label.csv").is_file():
            continue
        rows = read_label_csv(root / name / "label.csv")
        present = {path.name for path in (root / name).iterdir()}
        absent = [image for image in rows if image not in present]
        # A clone of the repository has all three lists but no images.
        if len(absent) == len(rows):
            continue
        if absent:
            raise UserError(
                f"{root / name}: {len(absent):,} of the {len(rows):,} images that label.csv lists "
                f"are absent, first {absent[0]}; run generate_training_data.py again"
            )
        paths += [root / name / image for image in rows]
        votes += rows.values()
        folders += [name] * len(rows)
    ids = [path.relative_to(root).as_posix() for path in paths]
    labels = np.zeros(len(paths), np.int32)
    split = image_split("all", paths, labels, ids, storage_size, on_bad_image=on_bad_image)
    layout = "FER2013*/label.csv beside PNG files"
    return VotedImages(split, np.array(votes, np.int64), np.array(folders), layout, str(root))


def read_label_csv(path: Path) -> dict[str, list[int]]:
    """Reads one label.csv: rows of image name, face box (older lists have none), ten votes.

    Returns:
      Image name → votes, columns as in `votes_to_labels.COLUMNS`.

    Raises:
      UserError: no rows, a broken row, or an image that is listed twice.
    """
    votes_of: dict[str, list[int]] = {}
    for location, fields in csv_records(path):
        name, *rest = (field.strip() for field in fields)
        if len(rest) == len(COLUMNS) + 1:
            box, *rest = rest
            if box.replace(" ", "") != _WHOLE_FACE:
                raise UserError(
                    f"{location}: face box {box[:40]!r}, expected (0, 0, {SIDE}, {SIDE}) as "
                    "released; download label.csv again"
                )
        if name in votes_of:
            raise UserError(f"{location}: {name} is listed twice; remove one of the rows")
        if not name or Path(name).name != name:
            raise UserError(
                f"{location}: {name[:60]!r}, expected an image name like fer0000000.png"
            )
        votes_of[name] = _parse_votes(rest, location)
    if not votes_of:
        raise UserError(f"{path}: no rows; download it again")
    return votes_of


def _parse_votes(fields: list[str], location: str) -> list[int]:
    """Returns the ten votes as numbers."""
    # At most three digits, because about ten people voted on an image.
    if len(fields) != len(COLUMNS) or not all(
        field.isascii() and field.isdecimal() and len(field) <= 3 for field in fields
    ):
        raise UserError(
            f"{location}: {', '.join(fields)[:80]!r}, expected {len(COLUMNS)} votes ("
            f"{', '.join(COLUMNS)}), each a whole number; the file may be cut off: download it "
            "again"
        )
    return [int(field) for field in fields]


def _read_csv_files(list_path: Path, face_path: Path) -> VotedImages:
    """Reads fer2013new.csv, whose row i is row i of fer2013.csv."""
    rows = [
        (location, usage, name, _parse_votes(votes, location))
        for location, (usage, name, *votes) in named_rows(
            list_path, ("Usage", "Image name", *COLUMNS)
        )
    ]
    faces = read_pixel_csv(face_path, len(_FER2013))
    for path, count in ((list_path, len(rows)), (face_path, len(faces.emotion))):
        if count != ROWS:
            raise UserError(
                f"{path}: {count:,} rows, expected {ROWS:,}: row i of fer2013new.csv is row i of "
                "fer2013.csv, so both must be whole. With another copy of the faces use the layout "
                "FER2013Train/label.csv beside fer*.png (FERPlus's generate_training_data.py)"
            )
    for (location, usage, _, _), face_usage in zip(rows, faces.usage.tolist(), strict=True):
        if usage != face_usage:
            raise UserError(
                f"{location}: Usage {usage!r}, but {face_path.name} has {face_usage} in that row: "
                "its rows were reordered. Get the original fer2013.csv"
            )
    votes = np.array([row[3] for row in rows], np.int64)
    # A blank name stands for an image that the release removed.
    with_name = np.flatnonzero([bool(row[2]) for row in rows])
    ids = tuple(f"{face_path.name}:{row}" for row in range(1, ROWS + 1))
    images = faces.images
    zeros = np.zeros(ROWS, np.int32)
    read = images.__getitem__
    pool = Split("all", zeros, ids, (SIDE, SIDE, 1), read, originals=read)
    _check_same_images(votes[with_name], faces.emotion[with_name], face_path)
    folders = np.array([FOLDERS[usage] for usage in faces.usage.tolist()])
    layout = f"{list_path.name} beside {face_path.name}"
    return VotedImages(
        subset(pool, with_name), votes[with_name], folders[with_name], layout, str(list_path)
    )


def _check_same_images(votes: np.ndarray, emotion: np.ndarray, path: Path) -> None:
    """Refuses FER2013 labels that do not fit the votes, because the rows were reordered."""
    kept, labels, _ = vote_labels(votes, "majority")
    to_class = np.array([CLASSES.index(name) for name in _FER2013])
    agrees = (labels == to_class[emotion])[kept]
    # In the release two thirds agree; in a shifted or shuffled file one fifth.
    if len(agrees) and agrees.mean() < 0.4:
        raise UserError(
            f"{path}: its emotions agree with fer2013new.csv's votes in {agrees.mean():.0%} of the "
            "rows, expected about two thirds: its rows were reordered. Get the original fer2013.csv"
        )
