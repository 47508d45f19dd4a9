"""FER2013: 35,887 grey 48×48 faces in seven classes, as csv or as class folders.

References:
  Goodfellow et al., "Challenges in Representation Learning: A report on three machine learning
  contests", 2013. https://arxiv.org/abs/1307.0414
"""

from pathlib import Path

import numpy as np

from ferjax.data.assemble import assemble
from ferjax.data.files import class_folders, layout_error
from ferjax.data.images import image_split
from ferjax.data.pixel_csv import SIDE, USAGES, read_pixel_csv
from ferjax.data.split import DatasetBundle, Split, subset
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

# The csv's numbering, 0 to 6. Class folders in alphabetical order number differently.
CSV_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_CLASSES = ordered_classes(CSV_EMOTIONS)
_MERGED = "PublicTest+PrivateTest"
_ROLES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test", _MERGED: "test"}
_CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
LAYOUTS = (
    "fer2013.csv or icml_face_data.csv (columns emotion, pixels, Usage)",
    "train/ and test/ holding one folder for each class (angry, disgust, fear, ...)",
    "either of them inside fer2013/",
)
SOURCE = (
    "Kaggle (data set msambare/fer2013, or the competition "
    "challenges-in-representation-learning-facial-expression-recognition-challenge)"
)


def load(
    data_dir: Path | str,
    *,
    storage_size: int = SIDE,
    val_fraction: float = 0.1,
    split_seed: int = 0,
) -> DatasetBundle:
    """Loads FER2013: train = Training, val = PublicTest, test = PrivateTest.

    Where file names do not tell PublicTest from PrivateTest, test is both, and val is cut from
    train; a note says so. Where PrivateTest is not on disk there is no test split, and a note.

    Args:
      data_dir: the csv file, or the folder that holds it or train/ and test/.
      storage_size: side that images of differing sizes are stored in (folders only).
      val_fraction: share of train that becomes val where PublicTest is not on disk.
      split_seed: seed of that cut.

    Raises:
      UserError: no known layout, a broken row or file, or labels that look permuted.
    """
    path, beside = _find(Path(data_dir))
    if path.is_dir():
        found, notes = _from_folders(path, storage_size), ()
        layout = "class folders in train/ and test/ (Kaggle)"
    else:
        found = _from_csv(path)
        layout = f"{path.name} (emotion, pixels, Usage)"
        notes = tuple(f"{path.name} was read, {other} beside it was not" for other in beside)
    if _MERGED in found:
        notes += (
            "test is PublicTest and PrivateTest merged: the file names do not say which is which",
        )
    return assemble(
        "fer2013",
        found,
        _ROLES,
        _CLASSES,
        layout=layout,
        where=str(path),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
    )


def _find(data_dir: Path) -> tuple[Path, list[str]]:
    """Returns the csv file or the folder of train/, and what else lies beside a csv file."""
    if data_dir.is_file() and data_dir.suffix.lower() == ".csv":
        return data_dir, []
    for root in (data_dir, data_dir / "fer2013"):
        csv_files = [root / name for name in _CSV_NAMES if (root / name).is_file()]
        folders = [f"{name}/" for name in ("train", "test") if (root / name).is_dir()]
        if csv_files:
            # The csv first: it always tells PublicTest from PrivateTest.
            return csv_files[0], [path.name for path in csv_files[1:]] + folders
        if "train/" in folders:
            return root, []
    raise layout_error("FER2013", data_dir, LAYOUTS, SOURCE)


def _from_csv(path: Path) -> dict[str, Split]:
    """Returns usage → split, all of whose pixels are in memory."""
    rows = read_pixel_csv(path, len(CSV_EMOTIONS))
    to_class = np.array([_CLASSES.index(name) for name in CSV_EMOTIONS], np.int32)
    ids = tuple(f"{path.name}:{row}" for row in range(1, len(rows.emotion) + 1))
    images = rows.images
    shape = (SIDE, SIDE, 1)
    whole = Split("all", to_class[rows.emotion], ids, shape, lambda indices: images[indices])
    return _by_usage(whole, rows.usage)


def _from_folders(root: Path, storage_size: int) -> dict[str, Split]:
    """Returns usage → split of train/<class>/ and test/<class>/."""
    paths: list[Path] = []
    labels: list[int] = []
    usages: list[str] = []
    for folder, unmarked in (("train", "Training"), ("test", _MERGED)):
        if not (root / folder).is_dir():
            continue
        files = class_folders(root / folder, {name: name for name in _CLASSES})
        paths += (here := [path for name in _CLASSES for path in files[name]])
        labels += [k for k, name in enumerate(_CLASSES) for _ in files[name]]
        usages += _usages(here, root / folder, unmarked)
    ids = [path.relative_to(root).as_posix() for path in paths]
    whole = image_split("all", paths, np.array(labels), ids, storage_size)
    return _by_usage(whole, np.array(usages))


def _usages(paths: list[Path], folder: Path, unmarked: str) -> list[str]:
    """Returns each file's usage by its name's prefix; `unmarked` where no file has a prefix."""
    prefixes = [path.name.partition("_")[0] for path in paths]
    if not set(prefixes) & set(USAGES):
        return [unmarked] * len(paths)
    allowed = unmarked.split("+")
    for path, prefix in zip(paths, prefixes, strict=True):
        if prefix not in allowed:
            raise UserError(
                f"{path}: other files of {folder} are named by their usage, so this one should "
                f"start with {' or '.join(f'{usage}_' for usage in allowed)}; copy the data set "
                "again"
            )
    return prefixes


def _by_usage(whole: Split, usage: np.ndarray) -> dict[str, Split]:
    """Returns each usage that occurs → its images."""
    order = [name for name in _ROLES if (usage == name).any()]
    return {name: subset(whole, np.flatnonzero(usage == name), name) for name in order}
