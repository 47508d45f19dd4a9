"""Loads RAF-DB (basic emotions): 15,339 aligned faces in seven classes, as lists or folders.

References:
  Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression
  Recognition in the Wild", CVPR 2017. http://www.whdeng.cn/RAF/model1.html
"""

from itertools import product
from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.rafdb.official_lists import LIST, NUMBERED, Entry, has_lists, read_lists
from ferjax.data.datasets.rafdb.split_folders import read_folders
from ferjax.data.decoding.image_split import image_split
from ferjax.data.reading.class_folders import layout_error
from ferjax.data.splits.split import DatasetBundle, subset
from ferjax.emotions import ordered_classes

_CLASSES = ordered_classes(NUMBERED)
_LIST_ROOTS = (".", "basic", "raf-basic", "RAF-DB/basic", "RAF-DB")
_FOLDER_ROOTS = (".", "DATASET", "RAF-DB", "raf-db", "rafdb", "RAF-DB/DATASET")
LAYOUTS = (
    f"{LIST.as_posix()} (or APViT's train.txt and test.txt) beside Image/aligned/, "
    "Image/aligned_224/ or Image/original/, also inside basic/, raf-basic/ or RAF-DB/basic/ "
    "(official)",
    "train/ and test/, also val/ or valid/, holding folders 1 to 7 or named by emotion, also "
    "inside DATASET/ (Kaggle)",
    "the same folders without class folders, beside train_labels.csv and test_labels.csv",
)
SOURCE = (
    "http://www.whdeng.cn/RAF/model1.html (licence on request) or Kaggle "
    "(data set shuvoalok/raf-db-dataset)"
)


def load(
    data_dir: Path | str,
    *,
    storage_size: int = 100,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
) -> DatasetBundle:
    """Loads RAF-DB: test = its test split, val = a stratified cut of its train split.

    If there is a folder val/ or valid/, it is val instead, unless it contains the test images. If
    the test files are not on disk, there is no test split, and a note says so.

    Args:
      data_dir: the folder of one of `LAYOUTS`, or its parent folder.
      storage_size: side that images of different sizes are resized to; the release is 100×100.
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of train that becomes val.
      split_seed: seed of that cut.

    Raises:
      UserError: no known layout, a bad line, absent or broken files, or labels that look permuted.
    """
    root, layout, crops, entries, notes = _find_layout(Path(data_dir))
    split_names = np.array([split_name for split_name, _, _ in entries])
    paths = [path for _, _, path in entries]
    labels = np.array([_CLASSES.index(name) for _, name, _ in entries])
    ids = [path.relative_to(root).as_posix() for path in paths]
    pool = image_split("all", paths, labels, ids, storage_size, on_bad_image=on_bad_image)
    # The data set has no val split; a folder val/ is a cut of train that somebody made.
    roles = {
        split_name: split_name
        for split_name in ("train", "val", "test")
        if split_name != "val" or "val" in split_names
    }
    return assemble(
        "rafdb",
        {
            split_name: subset(pool, np.flatnonzero(split_names == split_name), split_name)
            for split_name in roles
        },
        roles,
        _CLASSES,
        layout=layout,
        where=str(root),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
        crops=crops,
    )


def _find_layout(data_dir: Path) -> tuple[Path, str, str, list[Entry], tuple[str, ...]]:
    """Returns the root folder, its layout, how the faces were cropped, every image, and notes."""
    for root in (data_dir / name for name in _LIST_ROOTS):
        if has_lists(root):
            entries, layout, crops = read_lists(root)
            return root, layout, crops, entries, ()
    # A copy of the test images alone can be evaluated, but not trained on.
    for split_name, name in product(("train", "test"), _FOLDER_ROOTS):
        if ((root := data_dir / name) / split_name).is_dir():
            entries, layout, notes = read_folders(root)
            return root, layout, "aligned faces as released", entries, notes
    raise layout_error("RAF-DB", data_dir, LAYOUTS, SOURCE)
