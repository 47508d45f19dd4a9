"""Table of ferjax's own data sets: loader, layouts, source and options of each, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferjax.data.datasets import expw, jaffe, kdef, sfew, user_folder
from ferjax.data.datasets.affectnet import load_affectnet
from ferjax.data.datasets.ckplus import load_ckplus
from ferjax.data.datasets.fer2013 import load_fer2013
from ferjax.data.datasets.ferplus import load_ferplus
from ferjax.data.datasets.rafdb import load_rafdb
from ferjax.data.splits.split import DatasetBundle
from ferjax.data.synthetic import load_synthetic


@dataclass(frozen=True)
class DatasetEntry:
    """A registered data set.

    Attributes:
      load: loads the data set from files on disk.
      layouts: descriptions of the layouts on disk that `load` recognises.
      source: where to get the data set.
      options: further options of `load`, besides the folder, the storage size and the validation
        cut.
      on_disk: whether it is read from a folder; else `load` is called with None as the folder.
      official_splits: whether its authors, or the folders on disk, define the test split; else
        ferjax cuts test and val, and networks of other people are evaluated on all images.
    """

    load: Callable[..., DatasetBundle]
    layouts: tuple[str, ...]
    source: str
    options: tuple[str, ...] = ()
    on_disk: bool = True
    official_splits: bool = True


# Data sets of the same faces, with other labels.
_SAME_FACES = (frozenset({"fer2013", "ferplus"}),)


def have_same_faces(one: str, other: str) -> bool:
    """Returns whether two data sets, by name, have the same faces; a user's folders have not."""
    if one == other:
        return one != "folder"
    return any({one, other} <= names for names in _SAME_FACES)


def _synthetic(path: None, *, storage_size: int, num_classes: int = 7, **_: Any) -> DatasetBundle:
    return load_synthetic.load(size=storage_size, num_classes=num_classes)


DATASETS: dict[str, DatasetEntry] = {
    "affectnet": DatasetEntry(
        load_affectnet.load,
        load_affectnet.LAYOUTS,
        load_affectnet.SOURCE,
        options=("num_classes",),
    ),
    "ckplus": DatasetEntry(
        load_ckplus.load,
        load_ckplus.LAYOUTS,
        load_ckplus.SOURCE,
        options=("num_classes", "folds", "fold"),
        official_splits=False,
    ),
    "expw": DatasetEntry(
        expw.load,
        expw.LAYOUTS,
        expw.SOURCE,
        options=("folds", "fold"),
        official_splits=False,
    ),
    "fer2013": DatasetEntry(load_fer2013.load, load_fer2013.LAYOUTS, load_fer2013.SOURCE),
    "ferplus": DatasetEntry(
        load_ferplus.load,
        load_ferplus.LAYOUTS,
        load_ferplus.SOURCE,
        options=("labels", "folds", "fold"),
    ),
    "folder": DatasetEntry(user_folder.load, user_folder.LAYOUTS, user_folder.SOURCE),
    "jaffe": DatasetEntry(
        jaffe.load,
        jaffe.LAYOUTS,
        jaffe.SOURCE,
        options=("folds", "fold"),
        official_splits=False,
    ),
    "kdef": DatasetEntry(
        kdef.load,
        kdef.LAYOUTS,
        kdef.SOURCE,
        options=("folds", "fold", "angles"),
        official_splits=False,
    ),
    "rafdb": DatasetEntry(load_rafdb.load, load_rafdb.LAYOUTS, load_rafdb.SOURCE),
    "sfew": DatasetEntry(sfew.load, sfew.LAYOUTS, sfew.SOURCE),
    "synthetic": DatasetEntry(
        _synthetic,
        ("none: drawn by the library",),
        "built in",
        options=("num_classes",),
        on_disk=False,
    ),
}
