"""Published images of each class, by data set and the data set's own split names."""

_SEVEN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_EIGHT = (*_SEVEN, "contempt")
_CKPLUS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt")


def _of(names: tuple[str, ...], *counts: int) -> dict[str, int]:
    return dict(zip(names, counts, strict=True))


# FER2013: counted in fer2013.csv. FER+: majority labels of fer2013new.csv (the label.csv lists of
# the same release differ from it in some rows). RAF-DB: counted in list_patition_label.txt. CK+:
# three frames of each of 327 sequences. SFEW: the aligned 2.0; sfew1 is the first, as P3 counts it.
# ckextended.csv: as its page on Kaggle counts it (davilsena/ckdataset, 920 rows): one frame of each
# of CK+'s 327 labelled sequences, and a neutral one of each of all 593.
PUBLISHED: dict[str, dict[str, dict[str, int]]] = {
    "ckplus": {"all": _of(_CKPLUS, 135, 177, 75, 207, 84, 249, 54)},
    "ckextended": {"all": _of(_EIGHT, 45, 59, 25, 69, 28, 83, 593, 18)},
    "fer2013": {
        "Training": _of(_SEVEN, 3995, 436, 4097, 7215, 4830, 3171, 4965),
        "PublicTest": _of(_SEVEN, 467, 56, 496, 895, 653, 415, 607),
        "PrivateTest": _of(_SEVEN, 491, 55, 528, 879, 594, 416, 626),
    },
    "ferplus": {
        "FER2013Train": _of(_EIGHT, 2100, 119, 532, 7287, 3014, 3149, 8740, 119),
        "FER2013Valid": _of(_EIGHT, 287, 24, 62, 865, 351, 415, 1182, 13),
        "FER2013Test": _of(_EIGHT, 273, 18, 83, 893, 384, 396, 1090, 16),
    },
    "rafdb": {
        "train": _of(_SEVEN, 705, 717, 281, 4772, 1982, 1290, 2524),
        "test": _of(_SEVEN, 162, 160, 74, 1185, 478, 329, 680),
    },
    "sfew": {
        "Train": _of(_SEVEN, 178, 52, 78, 184, 161, 94, 144),
        "Val": _of(_SEVEN, 77, 23, 46, 72, 73, 56, 84),
    },
    "sfew1": {"all": _of(_SEVEN, 100, 75, 100, 100, 100, 100, 100)},
}
