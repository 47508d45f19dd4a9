"""RAF-DB, basic emotions: 15,339 aligned faces in seven classes, as lists or as folders.

References:
  Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression
  Recognition in the Wild", CVPR 2017. http://www.whdeng.cn/RAF/model1.html
"""

from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble import assemble
from ferjax.data.datasets.rafdb.official_lists import LIST, NUMBERED, Entry, has_lists, read_lists
from ferjax.data.datasets.rafdb.split_folders import read_folders
from ferjax.data.decoding.image_file import image_split
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

    Somebody's own val/ or valid/ folder is val instead, unless it holds the test images. Where the
    test files are not on disk there is no test split, and a note says so.

    Args:
      data_dir: the folder of one of `LAYOUTS`, or the one that holds it.
      storage_size: side that images of differing sizes are stored in; 100×100 as released.
      on_bad_image: `error`, or `skip`: files with broken headers are passed over.
      val_fraction: share of train that becomes val.
      split_seed: seed of that cut.

    Raises:
      UserError: no known layout, a bad line, absent or broken files, or labels that look permuted.
    """
    root, layout, crops, entries, notes = _find(Path(data_dir))
    names = np.array([own for own, _, _ in entries])
    paths = [path for _, _, path in entries]
    labels = np.array([_CLASSES.index(name) for _, name, _ in entries])
    ids = [path.relative_to(root).as_posix() for path in paths]
    whole = image_split("all", paths, labels, ids, storage_size, on_bad_image=on_bad_image)
    # A val folder is somebody's own cut of train; the data set has none.
    roles = {own: own for own in ("train", "val", "test") if own != "val" or "val" in names}
    return assemble(
        "rafdb",
        {own: subset(whole, np.flatnonzero(names == own), own) for own in roles},
        roles,
        _CLASSES,
        layout=layout,
        where=str(root),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
        crops=crops,
    )


def _find(data_dir: Path) -> tuple[Path, str, str, list[Entry], tuple[str, ...]]:
    """Returns the tree's root, its layout, who cut the faces out, every image, and notes."""
    for root in (data_dir / name for name in _LIST_ROOTS):
        if has_lists(root):
            entries, layout, crops = read_lists(root)
            return root, layout, crops, entries, ()
    for root in (data_dir / name for name in _FOLDER_ROOTS):
        if (root / "train").is_dir():
            entries, layout, notes = read_folders(root)
            return root, layout, "aligned faces as released", entries, notes
    raise layout_error("RAF-DB", data_dir, LAYOUTS, SOURCE)
