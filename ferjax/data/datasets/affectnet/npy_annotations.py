"""Reads the npy release of AffectNet: images/7.jpg and its label, annotations/7_exp.npy."""

import os
import zipfile
from pathlib import Path

import numpy as np

from ferjax.data.datasets.affectnet.face import TRAIN, VAL, Face, read_label
from ferjax.data.reading.class_folders import visible_entries
from ferjax.data.reading.image_names import is_image
from ferjax.data.reading.split_names import one_folder_each
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm

# Folder → split. POSTER's lists call it valid_set.
SPLIT_FOLDERS = {TRAIN: TRAIN, VAL: VAL, "valid_set": VAL}
_END = "_exp.npy"
# A label is one number in an array without axes; its file has 130 to 150 bytes.
_MOST_BYTES = 4096
# Exceptions that numpy raises on damaged files; it reads a file that begins like a zip as one.
_LOAD_ERRORS = (OSError, ValueError, EOFError, MemoryError, SyntaxError, zipfile.BadZipFile)


def has_annotations(root: Path) -> bool:
    """Returns whether a split folder with annotations/ is in `root`."""
    return any((root / name / "annotations").is_dir() for name in SPLIT_FOLDERS)


def read_annotations(root: Path) -> list[Face]:
    """Returns the images of each split folder with their labels, in natural order.

    Raises:
      UserError: two folders of one split, two images of one name, images without annotations or
        annotations without images, a label that is no number from 0 to 10, or a file that holds
        Python objects.
    """
    faces: list[Face] = []
    folders = [name for name in SPLIT_FOLDERS if (root / name / "annotations").is_dir()]
    for name, split in one_folder_each(root, folders, SPLIT_FOLDERS).items():
        folder = root / name
        images = _images_by_stem(folder / "images")
        labels = [p for p in _entries(folder / "annotations") if p.name.endswith(_END)]
        _check_pairs(folder, images, [path.name.removesuffix(_END) for path in labels])
        bar = tqdm(labels, desc=f"labels of {name}", unit="image", disable=None, leave=False)
        for path in bar:
            faces.append(Face(split, read_npy_label(path), images[path.name.removesuffix(_END)]))
    return faces


def read_npy_label(path: Path) -> int:
    """Returns the label in a numpy file: one number, or a text with one number.

    Arrays of Python objects are refused without being read, because loading them can run any code.

    Raises:
      UserError: an array of Python objects, a damaged file, several numbers, or a number that is
        not 0 to 10.
    """
    try:
        if (size := os.stat(path).st_size) > _MOST_BYTES:
            raise UserError(f"{path}: {size:,} bytes, expected one label; get it again")
        # Given a path, numpy would leave a damaged archive open.
        with open(path, "rb") as file:
            array = np.load(file, allow_pickle=False)
    except _LOAD_ERRORS as error:
        if "allow_pickle" in str(error):
            raise UserError(
                f"{path}: it holds Python objects (pickle), which ferjax never loads, because "
                "loading them can run any code; get the annotations again, from their authors"
            ) from None
        raise UserError(f"{path}: no numpy file with a label ({error}); get it again") from error
    if not isinstance(array, np.ndarray) or array.size != 1:
        content = f"{array.size} values" if isinstance(array, np.ndarray) else "an archive"
        raise UserError(f"{path}: {content}, expected one label; get it again")
    value = array.reshape(-1)[0]
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return read_label(text, str(path))


def _images_by_stem(folder: Path) -> dict[str, Path]:
    """Returns name without suffix → image; raises `UserError` if two images have one such name."""
    images: dict[str, Path] = {}
    for path in filter(is_image, _entries(folder)):
        if (other := images.setdefault(path.stem, path)) is not path:
            raise UserError(
                f"{folder}: {other.name} and {path.name} would share the label {path.stem}{_END}; "
                "remove one of them"
            )
    return images


def _entries(folder: Path) -> list[Path]:
    return visible_entries(folder) if folder.is_dir() else []


def _check_pairs(folder: Path, images: dict[str, Path], labelled: list[str]) -> None:
    """Raises `UserError` unless every image has a label and every label an image."""
    without_image = [name for name in labelled if name not in images]
    without_label = sorted(images.keys() - set(labelled))
    if without_image or without_label or not labelled:
        first_label_text = f", first {without_image[0]}{_END}" if without_image else ""
        first_image_text = f", first {images[without_label[0]].name}" if without_label else ""
        raise UserError(
            f"{folder}: {len(without_image):,} of the {len(labelled):,} labels in annotations/ "
            f"have no image in images/{first_label_text}, and {len(without_label):,} images have "
            f"no label{first_image_text}; unpack both again, or remove what is left of the other"
        )
