"""Loads KDEF (Karolinska Directed Emotional Faces): 70 people, seven posed emotions, five angles.

References:
  Lundqvist, Flykt and Öhman, "The Karolinska Directed Emotional Faces", CD ROM, Karolinska
  Institutet, 1998. https://www.kdef.se
"""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.bundle_by_person import bundle_by_person
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.decoding.boxed_split import boxed_split
from ferjax.data.decoding.image_file import image_header
from ferjax.data.reading.class_folders import layout_error
from ferjax.data.reading.named_images import check_class_folders, named_images
from ferjax.data.splits.split import DatasetBundle
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError, unknown_name

_EMOTION_OF_CODE = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_CLASSES = ordered_classes(_EMOTION_OF_CODE.values())
# Angle in a file name → its name in `PUBLISHED`.
_ANGLES = {
    "S": "straight",
    "HL": "half left",
    "HR": "half right",
    "FL": "full left",
    "FR": "full right",
}
SETS_OF_ANGLES = {
    "frontal": ("S",),
    "half": ("S", "HL", "HR"),
    "all": ("S", "HL", "HR", "FL", "FR"),
}
# Two files of the release are named wrongly; public loaders agree on what they are.
_MISNAMED = {"AF31V": "AF31SAHL", "AM31H": "AM31SUHR"}
_NAME = re.compile(
    rf"(?:([AB])([FM])(\d\d)({'|'.join(_EMOTION_OF_CODE)})(S|HL|HR|FL|FR)|({'|'.join(_MISNAMED)}))"
    r"\.[A-Z]+"
)
_EXAMPLE = "AF01ANS.JPG"
LAYOUTS = (
    f"files named as {_EXAMPLE} (session, gender and person, emotion, angle), in folders of each "
    "person (AF01/) or of any kind, also inside KDEF_and_AKDEF/KDEF/",
)
SOURCE = "https://www.kdef.se (free after registration)"


def load(
    data_dir: Path | str,
    *,
    storage_size: int = 64,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
    fold: int = 1,
    folds: int | None = None,
    angles: str = "frontal",
) -> DatasetBundle:
    """Loads KDEF; it has no official splits: ten folds by person, both sessions of one together.

    The default is the frontal view, 980 images, as in most of the public loaders that were read for
    this. Papers share no common protocol, and how many use other angles could not be confirmed.
    Reports state the angles.

    The photographs are portraits with shoulders; eyes and mouths are at fixed places (562×762, as
    the authors describe the averaged faces, AKDEF). The centre square is taken, so that faces keep
    their proportions; `launch.prepare --crops` cuts faces closer.

    Args:
      data_dir: a folder with the files at any depth; a folder AKDEF (averaged faces) is ignored.
      storage_size: side that the centre squares are resized to.
      on_bad_image: `error`, or `skip`: files with broken headers are left out.
      val_fraction: share of all images that is val, at most one fold.
      split_seed: not used: the ids of the people determine the folds.
      fold: 1 to `folds`.
      folds: 2 or more; None: 10.
      angles: `frontal`, `half` (with the half profiles) or `all` (with the full profiles too).

    Raises:
      UserError: no such files, a name that does not fit, no image of these angles, two files of one
        picture, a file in the folder of another emotion, broken files, or a number out of range.
    """
    if angles not in SETS_OF_ANGLES:
        raise unknown_name("--angles", angles, SETS_OF_ANGLES)
    root, codes = Path(data_dir), SETS_OF_ANGLES[angles]
    all_images = [
        (path, _parts(match))
        for path, match in named_images(root, _NAME, _EXAMPLE, frozenset({"akdef"}))
    ]
    if not all_images:
        raise layout_error("KDEF", root, LAYOUTS, SOURCE)
    selected = [(path, parts) for path, parts in all_images if parts[4] in codes]
    if not selected:
        raise UserError(
            f"{root}: none of its {len(all_images):,} images is of --angles={angles} "
            f"({', '.join(_ANGLES[code] for code in codes)}); give --angles=all"
        )
    emotions = [_EMOTION_OF_CODE[parts[3]] for _, parts in selected]
    paths = [path for path, _ in selected]
    check_class_folders(list(zip(paths, emotions, strict=True)))
    notes = _check_class_counts(selected, codes, root)
    if left_out_count := len(all_images) - len(selected):
        notes += (f"--angles={angles}: {left_out_count:,} images of other angles are left out",)
    pool = boxed_split(
        "all",
        paths,
        np.array([_centre_square(path, on_bad_image) for path in paths]),
        np.array([_CLASSES.index(name) for name in emotions], np.int32),
        [path.relative_to(root).as_posix() for path in paths],
        storage_size,
        on_bad_image=on_bad_image,
    )
    # AF01 and BF01 are the same woman in two sessions.
    subjects = np.array([gender + person for _, (_, gender, person, _, _) in selected])
    return bundle_by_person(
        "KDEF",
        replace(pool, subjects=subjects),
        _CLASSES,
        layout=f"files named as {_EXAMPLE}; angles: {', '.join(_ANGLES[code] for code in codes)}",
        where=str(root),
        val_fraction=val_fraction,
        split_seed=split_seed,
        fold=fold,
        folds=folds,
        notes=notes,
        crops="centre squares of the photographs as released, faces not cut out",
    )


def _parts(match: re.Match[str]) -> tuple[str, str, str, str, str]:
    """Returns session, gender, person, emotion and angle in a file name."""
    corrected_match = _NAME.fullmatch(f"{_MISNAMED[match[6]]}.JPG") if match[6] else match
    assert corrected_match is not None
    session, gender, person, emotion, angle = corrected_match.groups()[:5]
    return session, gender, person, emotion, angle


def _check_class_counts(
    selected: list[tuple[Path, tuple[str, str, str, str, str]]], codes: tuple[str, ...], root: Path
) -> tuple[str, ...]:
    """Compares class counts by angle with the published ones; refuses two files of one picture."""
    path_of_parts: dict[tuple[str, ...], Path] = {}
    for path, parts in selected:
        if (first_path := path_of_parts.setdefault(parts, path)) != path:
            name = "".join(parts)
            raise UserError(
                f"{path}: {first_path} is the same picture, {name}; keep one of the two"
            )
    counts = {
        _ANGLES[angle]: Counter(
            _EMOTION_OF_CODE[emotion]
            for *_, emotion, image_angle in path_of_parts
            if image_angle == angle
        )
        for angle in codes
    }
    return check_counts("kdef", counts, str(root))


def _centre_square(path: Path, on_bad_image: str) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of the centre square of a picture."""
    try:
        height, width, _ = image_header(path)
    except UserError:
        if on_bad_image == "error":
            raise
        return 0, 0, 1, 1  # the split reports the file when it is read
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side
