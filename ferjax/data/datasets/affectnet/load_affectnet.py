"""Loads AffectNet: 287,651 faces of the web in eight classes, labelled by hand.

References:
  Mollahosseini, Hasani and Mahoor, "AffectNet: A Database for Facial Expression, Valence, and
  Arousal Computing in the Wild", IEEE Transactions on Affective Computing, 2019.
  https://arxiv.org/abs/1708.03985
"""

from collections import Counter
from pathlib import Path

import numpy as np

from ferjax.data.datasets.affectnet.face import (
    NUMBERED,
    TRAIN,
    VAL,
    Face,
    left_out_notes,
    without_repeats,
)
from ferjax.data.datasets.affectnet.label_lists import (
    CACHED_CSV,
    first_release_lists,
    read_cached_csv,
    read_first_release,
    read_text_lists,
    text_lists,
)
from ferjax.data.datasets.affectnet.npy_annotations import has_annotations, read_annotations
from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.decoding.boxed_split import boxed_id, boxed_split
from ferjax.data.decoding.image_file import image_header
from ferjax.data.decoding.image_split import image_split
from ferjax.data.reading.class_folders import (
    class_folders,
    layout_error,
    unread_lists,
    visible_entries,
)
from ferjax.data.reading.split_names import one_folder_each
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.emotions import canonical_name, ordered_classes
from ferjax.errors import UserError

_ROOTS = (".", "AffectNet", "affectnet", "AfectNet")
_FOLDERS = {"train": TRAIN, "val": VAL, "valid": VAL}
_CLASSES = {7: NUMBERED[:7], 8: NUMBERED}
LAYOUTS = (
    "train_set/ and val_set/, each with images/7.jpg and annotations/7_exp.npy (npy release)",
    "train_set/train_annotations_8class.txt or _7class.txt beside images/, likewise in valid_set/ "
    "(POSTER)",
    f"{CACHED_CSV} with columns phase, img_path, label beside the images (DAN)",
    "train/ and val/ holding folders 0 to 7, or named by emotion",
    "Manually_Annotated_file_lists/ with training.csv and validation.csv beside "
    "Manually_Annotated_Images/ (first release)",
)
SOURCE = "http://mohammadmahoor.com/pages/databases/affectnet/ (licence on request)"


def load(
    data_dir: Path | str,
    *,
    storage_size: int = 64,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
    num_classes: int = 7,
) -> DatasetBundle:
    """Loads AffectNet: test = its validation set, val = a stratified cut of its training set.

    The labels of its own test set were never published, so all papers report on the validation set.
    It is the test split here and must not select a model.

    With seven classes contempt is left out. Images labelled None, Uncertain or No-Face are always
    left out. Notes count both. Every image is resized to `storage_size` when it is read: all faces
    at the 224×224 of the npy release would take 43 GB.

    The layouts and the numbering are those of public loaders; no copy of the data was at hand when
    this was written. Some loaders expect text labels in the npy release; this could not be
    confirmed, so numbers and texts are both read.

    Args:
      data_dir: the folder of one of `LAYOUTS`, or its parent folder.
      storage_size: side that the faces are resized to.
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of the training set that becomes val.
      split_seed: seed of that cut.
      num_classes: 7 or 8 (with contempt).

    Raises:
      UserError: no known layout, two folders of one split, a bad label, absent or broken files,
        labels that look permuted, or eight classes of a copy that has seven.
    """
    if num_classes not in _CLASSES:
        raise UserError(f"num_classes={num_classes}: AffectNet has 7, or 8 with contempt")
    classes = ordered_classes(_CLASSES[num_classes])
    root, layout, crops, faces, notes, table = _find_layout(Path(data_dir))
    faces, repeats = without_repeats(faces)
    counts = _count_classes(faces)
    if not any(by_class["contempt"] for by_class in counts.values()):
        if num_classes == 8:
            raise UserError(
                f"{root}: {layout}: no image shows contempt, and --num_classes=8 wants it; give 7, "
                "or get a copy with eight classes"
            )
        # Without contempt the later release and the first one have the same counts.
        table = "affectnet, 7 classes"
    notes = (
        *check_counts(table, counts, str(root)),
        *notes,
        *repeats,
        *left_out_notes(faces, classes),
    )
    # Contempt has the last number, so that seven classes are the labels 0 to 6.
    kept = [face for face in faces if face.label < num_classes]
    pool = _faces_split(kept, classes, root, storage_size, on_bad_image)
    sources = np.array([face.split for face in kept])
    return assemble(
        "affectnet, checked",  # the counts were checked with all their classes
        {name: subset(pool, np.flatnonzero(sources == name), name) for name in (TRAIN, VAL)},
        {TRAIN: "train", VAL: "test"},
        classes,
        layout=layout,
        where=str(root),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
        cut_notes=()
        if val_fraction == 0
        else (
            "test is AffectNet's validation set, on which all papers report (the labels of its test"
            " set are not public); val is cut from its training set",
        ),
        crops=crops,
    )


_Layout = tuple[Path, str, str, list[Face], tuple[str, ...], str]


def _find_layout(data_dir: Path) -> _Layout:
    """Returns root, layout, crops, every annotated image, notes, and its table in `PUBLISHED`."""
    released = "faces as released"
    for root in (data_dir / name for name in _ROOTS):
        if has_annotations(root):
            faces, notes = read_annotations(root), _lists_beside_annotations(root)
            return root, "npy release", released, faces, notes, "affectnet"
        if lists := text_lists(root):
            names = " and ".join(path.relative_to(root).as_posix() for path in lists)
            return root, f"text lists ({names})", released, read_text_lists(lists), (), "affectnet"
        if (path := root / CACHED_CSV).is_file():
            faces = read_cached_csv(path)
            return root, f"{CACHED_CSV} (phase, img_path, label)", released, faces, (), "affectnet"
        if lists := first_release_lists(root):
            faces, images, notes = read_first_release(root, lists)
            has_boxes = any(face.box for face in faces)
            crops = (
                "faces cut out by the boxes of the lists" if has_boxes else "pictures as released"
            )
            names = " and ".join(path.name for path in lists)
            layout = f"first release ({names}; {images.relative_to(root).as_posix()}/)"
            return root, layout, crops, faces, notes, "affectnet, first release"
        if any(_has_classes(root / name) for name in _FOLDERS):
            notes = unread_lists(root)
            return root, *_read_folders(root), notes, "affectnet"
    raise layout_error("AffectNet", data_dir, LAYOUTS, SOURCE)


def _lists_beside_annotations(root: Path) -> tuple[str, ...]:
    """Returns a note that names lists beside the annotations, which are not read, or no note."""
    lists = [*text_lists(root), *filter(Path.is_file, [root / CACHED_CSV])]
    if not lists:
        return ()
    names = ", ".join(path.relative_to(root).as_posix() for path in lists)
    return (f"not read: {names}; the labels are those in annotations/",)


def _has_classes(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    names = {canonical_name(e.name) for e in visible_entries(folder) if e.is_dir()}
    return bool(names & {*map(str, range(8)), *NUMBERED})


def _read_folders(root: Path) -> tuple[str, str, list[Face]]:
    """Returns layout, crops and images of train/ and val/, which hold class folders."""
    faces: list[Face] = []
    kinds: set[str] = set()
    found = [name for name in _FOLDERS if (root / name).is_dir()]
    for name, split in one_folder_each(root, found, _FOLDERS).items():
        folders = {canonical_name(e.name) for e in visible_entries(root / name) if e.is_dir()}
        numbered = all(folder.isdecimal() for folder in folders)
        count = 8 if folders & {"7", "contempt"} else 7
        kinds.add(f"folders 0 to {count - 1}" if numbered else "folders named by emotion")
        label_of = {str(k) if numbered else NUMBERED[k]: str(k) for k in range(count)}
        for label, paths in class_folders(root / name, label_of).items():
            faces += [Face(split, int(label), path) for path in paths]
    return f"train/ and val/ with {' and '.join(sorted(kinds))}", "faces as in the copy", faces


def _count_classes(faces: list[Face]) -> dict[str, dict[str, int]]:
    """Returns split → emotion → number of images, for the splits that have any."""
    counts = Counter((face.split, face.label) for face in faces)
    return {
        split: {name: counts[split, k] for k, name in enumerate(NUMBERED)}
        for split in (TRAIN, VAL)
        if any(counts[split, k] for k in range(8))
    }


def _faces_split(
    faces: list[Face], classes: tuple[str, ...], root: Path, storage_size: int, on_bad_image: str
) -> Split:
    """Returns the faces as one split, cut out of their pictures if they have boxes."""
    paths = [face.path for face in faces]
    labels = np.array([classes.index(NUMBERED[face.label]) for face in faces], np.int32)
    names = [path.relative_to(root).as_posix() for path in paths]
    if not any(face.box for face in faces):
        return image_split(
            "all", paths, labels, names, storage_size, on_bad_image=on_bad_image, keep_size=False
        )
    boxes = [face.box or _whole_picture_box(face.path, on_bad_image) for face in faces]
    ids = [boxed_id(name, box) for name, box in zip(names, boxes, strict=True)]
    return boxed_split(
        "all", paths, np.array(boxes), labels, ids, storage_size, on_bad_image=on_bad_image
    )


def _whole_picture_box(path: Path, on_bad_image: str) -> tuple[int, int, int, int]:
    """Returns the box of a whole picture."""
    try:
        height, width, _ = image_header(path)
    except UserError:
        if on_bad_image == "error":
            raise
        return 0, 0, 1, 1  # the split reports the file when it is read
    return 0, 0, width, height
