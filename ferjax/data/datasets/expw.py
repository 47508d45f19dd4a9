"""Loads ExpW (Expression in-the-Wild): 91,793 faces in pictures of the web, in seven classes.

References:
  Zhang, Luo, Loy and Tang, "From Facial Expression Recognition to Interpersonal Relation
  Prediction", International Journal of Computer Vision, 2018.
  https://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html
"""

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ferjax.config.given_files import check_text_file
from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.decoding.boxed_split import boxed_id, boxed_split
from ferjax.data.reading.class_folders import describe_path, layout_error, namesake
from ferjax.data.reading.image_names import is_image
from ferjax.data.splits.folds import describe_folds, fold_splits
from ferjax.data.splits.grouped_cut import grouped_cut
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

# Label k in the list is NUMBERED[k].
NUMBERED = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_CLASSES = ordered_classes(NUMBERED)
_LIST = "label.lst"
_ROOTS = (".", "ExpW", "expw", "data", "ExpW/data")
_LISTS = (_LIST, f"label/{_LIST}", f"label/label/{_LIST}")
_IMAGES = ("origin", "image/origin", "image", "images")
_TEST_SHARE = 0.2
LAYOUTS = (
    f"{_LIST} (also in label/) beside origin/ or image/origin/, which holds the pictures of "
    "origin.7z",
)
SOURCE = "https://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html, or copies of it"
_EXPECTED = (
    "expected eight fields: image name, face id, top, left, right, bottom, confidence, label from "
    "0 to 6"
)


@dataclass(frozen=True)
class _Face:
    """A line of the list: name of the picture, box (left, top, right, bottom), class."""

    picture: str
    box: tuple[int, int, int, int]
    emotion: str


def load(
    data_dir: Path | str,
    *,
    storage_size: int = 64,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
    fold: int = 1,
    folds: int | None = None,
) -> DatasetBundle:
    """Loads ExpW; it has no official splits: test is a fifth, val is cut from the rest.

    Both cuts are stratified, and faces of one picture stay together (`grouped_cut`), also in folds.
    Papers use cuts of their own, so their accuracies are not comparable with accuracies here.

    Every face is cut out by its box in the list. The confidence of the box is not used: some
    loaders leave out faces below 60 or 80, but the published number of faces counts all of them.
    Lines that repeat a face, and boxes without area, are left out and counted. The layout, the
    fields and the numbering are those of public loaders; no copy of the data was at hand when this
    was written.

    Args:
      data_dir: the folder of list and pictures, or its parent folder.
      storage_size: side that the faces are resized to.
      on_bad_image: `error`, or `skip`: unreadable pictures are left out.
      val_fraction: share of train that becomes val; with `folds` of all faces.
      split_seed: seed of the cuts.
      fold: 1 to `folds`.
      folds: 2 or more; None: the cut above.

    Raises:
      UserError: no known layout, a bad line, absent or broken pictures, labels that look permuted,
        or a number out of range.
    """
    root, list_path, images = _find_layout(Path(data_dir))
    faces, notes = _read_list(list_path)
    _check_present(faces, images, list_path)
    counts = Counter(face.emotion for face in faces)
    counts = {name: counts[name] for name in _CLASSES}
    notes = (*check_counts("expw", {"all": counts}, str(list_path)), *notes)
    pictures = np.array([face.picture for face in faces])
    image_folder = images.relative_to(root).as_posix()
    pool = boxed_split(
        "all",
        [images / face.picture for face in faces],
        np.array([face.box for face in faces]),
        np.array([_CLASSES.index(face.emotion) for face in faces], np.int32),
        [boxed_id(f"{image_folder}/{face.picture}", face.box) for face in faces],
        storage_size,
        on_bad_image=on_bad_image,
    )
    cut_notes = ()
    if val_fraction == 0:
        parts, source_of = {"test": pool}, {"test": "all faces"}
    elif folds:
        # `fold_splits` keeps the faces of a subject together; here each picture is a subject.
        parts = fold_splits(
            replace(pool, subjects=pictures), fold, folds, val_fraction=val_fraction
        )
        parts = {role: replace(part, subjects=None) for role, part in parts.items()}
        source_of = describe_folds(parts, fold, folds)
        cut_notes = (f"ExpW has no official splits: {folds} folds by picture",)
    else:
        parts, source_of = _cut(pool, pictures, val_fraction, split_seed)
        cut_notes = (
            f"ExpW has no official splits: test is a {source_of['test']}, val a {source_of['val']};"
            " the faces of a picture are in one split",
        )
    return assemble(
        "expw, cut",  # no published counts: they were checked before the cut
        {source_of[role]: part for role, part in parts.items()},
        {name: role for role, name in source_of.items()},
        _CLASSES,
        layout=f"{list_path.relative_to(root).as_posix()} and pictures in {image_folder}/",
        where=str(root),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
        cut_notes=cut_notes,
        crops=f"faces cut out by the boxes of {_LIST}",
    )


def _find_layout(data_dir: Path) -> tuple[Path, Path, Path]:
    """Returns the root folder, the list and the folder of the pictures."""
    for root in (data_dir / name for name in _ROOTS):
        list_path = next((p for name in _LISTS if (p := root / name).is_file()), None)
        if list_path is None:
            continue
        images = next((p for name in _IMAGES if (p := root / name).is_dir()), None)
        if images is None:
            raise UserError(
                f"{list_path}: no pictures beside it, {root} {describe_path(root)}; expected "
                "origin/ or image/origin/. Unpack origin.7z there (all parts of it, with 7z x)"
            )
        return root, list_path, namesake(images)
    raise layout_error("ExpW", data_dir, LAYOUTS, SOURCE)


def _read_list(path: Path) -> tuple[list[_Face], tuple[str, ...]]:
    """Returns the faces of the list, each once, and notes on the lines that are left out."""
    check_text_file(path, "Copy it again.")
    try:
        lines = path.read_text("utf-8-sig", "surrogateescape").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); copy it again") from error
    emotion_of: dict[tuple[str, tuple[int, int, int, int]], str] = {}
    repeated = conflicting = empty = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        face = _face(line, f"{path}:{number}")
        left, top, right, bottom = face.box
        if left >= right or top >= bottom:
            empty += 1
            continue
        key = face.picture, face.box
        if key in emotion_of:
            repeated += 1
            conflicting += emotion_of[key] != face.emotion
        else:
            emotion_of[key] = face.emotion
    if not emotion_of:
        raise UserError(f"{path}: no faces are listed; {_EXPECTED}")
    notes = []
    if repeated:
        conflict_text = f" ({conflicting:,} under another label)" if conflicting else ""
        notes.append(
            f"{repeated:,} lines of {path.name} repeat a face{conflict_text}: the first counts"
        )
    if empty:
        notes.append(f"{empty:,} lines of {path.name} have a box without area: left out")
    faces = [_Face(picture, box, emotion) for (picture, box), emotion in emotion_of.items()]
    return faces, tuple(notes)


def _face(line: str, where: str) -> _Face:
    """Returns the face of a line; names of pictures may contain spaces."""
    fields = line.split()
    name = " ".join(fields[:-7])
    try:
        top, left, right, bottom = map(int, fields[-6:-2])
        emotion = dict(enumerate(NUMBERED))[int(fields[-1])]
        float(fields[-2])
    except (ValueError, KeyError, IndexError):
        raise UserError(f"{where}: {line[:80]!r}; {_EXPECTED}") from None
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(f"{where}: {line[:80]!r}; {_EXPECTED}, a name within the folder")
    return _Face(name, (left, top, right, bottom), emotion)


def _check_present(faces: list[_Face], images: Path, list_path: Path) -> None:
    """Raises `UserError` if listed pictures are absent."""
    present = {path.name for path in images.iterdir() if is_image(path)}
    pictures = dict.fromkeys(face.picture for face in faces)
    # Path.is_file raises an error for a name that is too long for any file.
    absent = [n for n in pictures if n not in present and not os.path.isfile(images / n)]
    if absent:
        raise UserError(
            f"{images}: {len(absent):,} of the {len(pictures):,} pictures that {list_path.name} "
            f"lists are absent, first {absent[0][:80]}; it {describe_path(images, 3)}. Unpack all "
            "parts of origin.7z again"
        )


def _cut(
    pool: Split, pictures: np.ndarray, val_fraction: float, seed: int
) -> tuple[dict[str, Split], dict[str, str]]:
    """Returns role → split, and role → description of its source."""
    rest, test = grouped_cut(pool.labels, pictures, _TEST_SHARE, seed)
    kept, val = grouped_cut(pool.labels[rest], pictures[rest], val_fraction, seed)
    if not len(val) or not len(test):
        raise UserError(f"{len(pool):,} faces are too few for train, val and test; get all of ExpW")
    positions = {"train": rest[kept], "val": rest[val], "test": test}
    source_of = {
        "train": "all but test and val",
        "val": f"stratified {val_fraction:.4g} of the rest by picture (split seed {seed})",
        "test": f"stratified {_TEST_SHARE:.4g} of all by picture (split seed {seed})",
    }
    return {role: subset(pool, indexes, role) for role, indexes in positions.items()}, source_of
