"""RAF-DB, basic emotions: 15,339 aligned faces in seven classes, official tree or Kaggle's.

References:
  Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression
  Recognition in the Wild", CVPR 2017. http://www.whdeng.cn/RAF/model1.html
"""

from pathlib import Path

import numpy as np

from ferjax.data.assemble import assemble
from ferjax.data.files import class_folders, holds, layout_error
from ferjax.data.images import image_split
from ferjax.data.split import DatasetBundle, subset
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

# Label k, 1 to 7, is NUMBERED[k - 1], in the list file and in Kaggle's folder names.
NUMBERED = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
_CLASSES = ordered_classes(NUMBERED)
_BY_NUMBER = {str(k): name for k, name in enumerate(NUMBERED, start=1)}
_ROLES = {"train": "train", "test": "test"}
_LIST = Path("EmoLabel", "list_patition_label.txt")  # sic, as released
_OFFICIAL_ROOTS = (".", "basic", "raf-basic", "RAF-DB/basic", "RAF-DB")
_KAGGLE_ROOTS = (".", "DATASET")
LAYOUTS = (
    f"{_LIST.as_posix()} beside Image/aligned/, also inside basic/, raf-basic/ or RAF-DB/basic/ "
    "(official)",
    "train/ and test/ holding folders 1 to 7, also inside DATASET/ (Kaggle)",
)
SOURCE = (
    "http://www.whdeng.cn/RAF/model1.html (licence on request) or Kaggle "
    "(data set shuvoalok/raf-db-dataset)"
)

# One image: own split name, class name, file.
_Entry = tuple[str, str, Path]


def load(
    data_dir: Path | str,
    *,
    storage_size: int = 100,
    val_fraction: float = 0.1,
    split_seed: int = 0,
) -> DatasetBundle:
    """Loads RAF-DB: test = its test split, val = a stratified cut of its train split.

    Where the test files are not on disk there is no test split, and a note says so.

    Args:
      data_dir: the folder of the official or the Kaggle tree, or the one that holds it.
      storage_size: side that images of differing sizes are stored in; 100×100 as released.
      val_fraction: share of train that becomes val.
      split_seed: seed of that cut.

    Raises:
      UserError: no known layout, a bad line, absent or broken files, or labels that look permuted.
    """
    data_dir = Path(data_dir)
    root, layout, entries = _find(data_dir)
    names = np.array([own for own, _, _ in entries])
    paths = [path for _, _, path in entries]
    labels = np.array([_CLASSES.index(name) for _, name, _ in entries])
    ids = [path.relative_to(root).as_posix() for path in paths]
    whole = image_split("all", paths, labels, ids, storage_size)
    return assemble(
        "rafdb",
        {own: subset(whole, np.flatnonzero(names == own), own) for own in _ROLES},
        _ROLES,
        _CLASSES,
        layout=layout,
        where=str(root),
        val_fraction=val_fraction,
        split_seed=split_seed,
        crops="aligned faces as released",
    )


def _find(data_dir: Path) -> tuple[Path, str, list[_Entry]]:
    """Returns the root of the tree, the layout in words, and every image of it."""
    for root in (data_dir / name for name in _OFFICIAL_ROOTS):
        if (root / _LIST).is_file():
            return root, f"official ({_LIST.as_posix()} and Image/aligned)", _official(root)
    for root in (data_dir / name for name in _KAGGLE_ROOTS):
        if (root / "train").is_dir():
            return root, "Kaggle (train and test with folders 1 to 7)", _kaggle(root)
    raise layout_error("RAF-DB", data_dir, LAYOUTS, SOURCE)


def _kaggle(root: Path) -> list[_Entry]:
    """Lists train/{1..7}/ and test/{1..7}/; the folder's number is the official label."""
    return [
        (own, name, path)
        for own in _ROLES
        if (root / own).is_dir()
        for name, paths in class_folders(root / own, _BY_NUMBER).items()
        for path in paths
    ]


def _official(root: Path) -> list[_Entry]:
    """Lists the images of the list file; without test where no test file is on disk."""
    folder = root / "Image" / "aligned"
    listed = _listed(root / _LIST, folder)
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    absent = [(own, path) for own, _, path in listed if path.name not in present]
    tests = sum(own == "test" for own, _, _ in listed)
    if sum(own == "test" for own, _ in absent) == tests:
        listed = [entry for entry in listed if entry[0] != "test"]
        absent = [(own, path) for own, path in absent if own != "test"]
    if absent:
        raise UserError(
            f"{folder}: {len(absent):,} of the {len(listed):,} images that {_LIST.as_posix()} "
            f"lists are absent, first {absent[0][1].name}; {folder.name} {holds(folder, 3)}. "
            "Unpack Image/aligned.zip again"
        )
    return listed


def _listed(path: Path, folder: Path) -> list[_Entry]:
    """Reads lines like `train_00001.jpg 5`; fields after the second are other lists' extras."""
    entries: dict[str, _Entry] = {}
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        own = fields[0].partition("_")[0]
        if len(fields) < 2 or own not in _ROLES or fields[1] not in _BY_NUMBER:
            raise UserError(
                f"{path}:{number}: {line[:60]!r}, expected a train_ or test_ image name and a "
                "label from 1 to 7; download the list again"
            )
        if fields[0] in entries:
            raise UserError(f"{path}:{number}: {fields[0]} is listed twice; remove one line")
        image = folder / f"{Path(fields[0]).stem}_aligned.jpg"
        entries[fields[0]] = own, _BY_NUMBER[fields[1]], image
    if not entries:
        raise UserError(f"{path}: no images are listed; download the list again")
    return list(entries.values())
