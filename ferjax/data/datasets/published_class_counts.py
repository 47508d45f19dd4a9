"""Table of the published number of images of each class, by data set and original split name."""

from pathlib import Path

from ferjax.errors import UserError

_SEVEN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_EIGHT = (*_SEVEN, "contempt")
_CKPLUS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt")


def _by_class(names: tuple[str, ...], *counts: int) -> dict[str, int]:
    return dict(zip(names, counts, strict=True))


_AFFECTNET = _by_class(_EIGHT, 24882, 3803, 6378, 134415, 25459, 14090, 74874, 3750)

# Sources. fer2013: counted in fer2013.csv. ferplus: majority labels of fer2013new.csv (label.csv of
# the same release differs in some rows). rafdb: counted in list_patition_label.txt. ckplus: three
# frames of each of 327 sequences. sfew: release 2.0, aligned. sfew1: release 1.0, as counted
# by P3. ckextended: ckextended.csv as counted on its Kaggle page (davilsena/ckdataset, 920 rows),
# one frame of each of the 327 labelled sequences of CK+ and a neutral one of each of all 593.
# affectnet: commonly quoted for its manually annotated part; the sums agree with POSTER's loader of
# the npy release (287,651 images with eight classes and 283,901 with seven, 3,999 and 3,500 for
# validation). The first release has 500 images of contempt in validation.csv. jaffe: counted in a
# list of its 213 file names. kdef: 70 people in two sessions, once for each emotion and angle.
# expw: commonly quoted; the sum is the published number of faces, 91,793. No copy of these four was
# at hand. A data set that is listed has all of its splits.
PUBLISHED: dict[str, dict[str, dict[str, int]]] = {
    "affectnet": {
        "train_set": _AFFECTNET,
        "val_set": dict.fromkeys(_EIGHT, 500) | {"contempt": 499},
    },
    "affectnet, 7 classes": {
        "train_set": {name: _AFFECTNET[name] for name in _SEVEN},
        "val_set": dict.fromkeys(_SEVEN, 500),
    },
    "affectnet, first release": {"train_set": _AFFECTNET, "val_set": dict.fromkeys(_EIGHT, 500)},
    "ckplus": {"all": _by_class(_CKPLUS, 135, 177, 75, 207, 84, 249, 54)},
    "ckextended": {"all": _by_class(_EIGHT, 45, 59, 25, 69, 28, 83, 593, 18)},
    "expw": {"all": _by_class(_SEVEN, 3671, 3995, 1088, 30537, 10559, 7060, 34883)},
    "fer2013": {
        "Training": _by_class(_SEVEN, 3995, 436, 4097, 7215, 4830, 3171, 4965),
        "PublicTest": _by_class(_SEVEN, 467, 56, 496, 895, 653, 415, 607),
        "PrivateTest": _by_class(_SEVEN, 491, 55, 528, 879, 594, 416, 626),
    },
    "ferplus": {
        "FER2013Train": _by_class(_EIGHT, 2100, 119, 532, 7287, 3014, 3149, 8740, 119),
        "FER2013Valid": _by_class(_EIGHT, 287, 24, 62, 865, 351, 415, 1182, 13),
        "FER2013Test": _by_class(_EIGHT, 273, 18, 83, 893, 384, 396, 1090, 16),
    },
    "jaffe": {"all": _by_class(_SEVEN, 30, 29, 32, 31, 31, 30, 30)},
    "kdef": {
        angle: dict.fromkeys(_SEVEN, 140)
        for angle in ("straight", "half left", "half right", "full left", "full right")
    },
    "rafdb": {
        "train": _by_class(_SEVEN, 705, 717, 281, 4772, 1982, 1290, 2524),
        "test": _by_class(_SEVEN, 162, 160, 74, 1185, 478, 329, 680),
    },
    "sfew": {
        "Train": _by_class(_SEVEN, 178, 52, 78, 184, 161, 94, 144),
        "Val": _by_class(_SEVEN, 77, 23, 46, 72, 73, 56, 84),
    },
    "sfew1": {"all": _by_class(_SEVEN, 100, 75, 100, 100, 100, 100, 100)},
}


def published_counts(dataset: str, split: str) -> dict[str, int]:
    """Returns class → published number of images; `a+b` stands for two merged splits.

    Raises:
      UserError: the table has the data set without this split.
    """
    published = PUBLISHED[dataset]
    if missing := set(split.split("+")) - set(published):
        raise UserError(
            f"{Path(__file__).name}: {dataset} has counts of {', '.join(published)}, none of"
            f" {', '.join(sorted(missing))}. Enter the counts of every split, or of none."
        )
    parts = [published[part] for part in split.split("+")]
    return {name: sum(part[name] for part in parts) for name in parts[0]}
