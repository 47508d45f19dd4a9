"""Loads JAFFE: 213 posed faces of ten Japanese women in seven classes.

References:
  Lyons, Akamatsu, Kamachi and Gyoba, "Coding Facial Expressions with Gabor Wavelets", IEEE
  International Conference on Automatic Face and Gesture Recognition, 1998.
  https://zenodo.org/records/14974867
"""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.bundle_by_person import bundle_by_person
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.decoding.image_split import image_split
from ferjax.data.reading.class_folders import layout_error
from ferjax.data.reading.named_images import check_class_folders, named_images
from ferjax.data.splits.split import DatasetBundle
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

_EMOTION_OF_CODE = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_CLASSES = ordered_classes(_EMOTION_OF_CODE.values())
# Person, emotion, take and running number; names in copies may also end in .tiff.bmp or similar.
_NAME = re.compile(rf"([A-Z]{{2}})\.({'|'.join(_EMOTION_OF_CODE)})(\d)\.(\d+)((?:\.[A-Z]+)+)")
_EXAMPLE = "KA.AN1.39.tiff"
LAYOUTS = (f"files named as {_EXAMPLE} (person, emotion and take, number), in folders of any kind",)
SOURCE = "https://zenodo.org/records/14974867 (licence on request)"


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
    """Loads JAFFE; it has no official splits: ten folds by person, so each woman is test once.

    Most papers report folds by person, or random folds, which are less honest: there every test
    face has near copies in train. The images are not cropped: 256×256 grey, with hair and neck.

    Each file name contains the person, the emotion and the take. The labels are the emotions that
    the women were asked to show; the ratings in the data set's text file are not read.

    Args:
      data_dir: a folder with the files at any depth.
      storage_size: side that images of different sizes are resized to; the release is 256×256.
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of all images that is val, at most one fold (one person of ten folds).
      split_seed: not used: the ids of the people determine the folds.
      fold: 1 to `folds`.
      folds: 2 or more; None: 10.

    Raises:
      UserError: no such files, a name that does not fit, two files of one picture, a file in the
        folder of another emotion, broken files, or a number out of range.
    """
    root = Path(data_dir)
    named_files = named_images(root, _NAME, _EXAMPLE)
    if not named_files:
        raise layout_error("JAFFE", root, LAYOUTS, SOURCE)
    paths = [path for path, _ in named_files]
    emotions = [_EMOTION_OF_CODE[match[2]] for _, match in named_files]
    check_class_folders(list(zip(paths, emotions, strict=True)))
    _refuse_copies(named_files)
    counts = Counter(emotions)
    notes = check_counts("jaffe", {"all": {name: counts[name] for name in _CLASSES}}, str(root))
    pool = image_split(
        "all",
        paths,
        np.array([_CLASSES.index(name) for name in emotions], np.int32),
        [path.relative_to(root).as_posix() for path in paths],
        storage_size,
        on_bad_image=on_bad_image,
    )
    return bundle_by_person(
        "JAFFE",
        replace(pool, subjects=np.array([match[1] for _, match in named_files])),
        _CLASSES,
        layout=f"files named as {_EXAMPLE}",
        where=str(root),
        val_fraction=val_fraction,
        split_seed=split_seed,
        fold=fold,
        folds=folds,
        notes=notes,
        crops="whole pictures as released, faces not cut out",
    )


def _refuse_copies(named_files: list[tuple[Path, re.Match[str]]]) -> None:
    """Raises `UserError` where two files are the same take of the same person."""
    path_of_take: dict[tuple[str, ...], Path] = {}
    for path, match in named_files:
        first_path = path_of_take.setdefault(match.groups()[:3], path)
        if first_path != path:
            raise UserError(
                f"{path}: {first_path} is the same picture, {match[1]}.{match[2]}{match[3]}; keep "
                "one of the two"
            )
