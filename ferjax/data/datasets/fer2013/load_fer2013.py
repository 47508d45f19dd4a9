"""Loads FER2013: 35,887 grey 48×48 faces in seven classes, as csv or as class folders.

References:
  Goodfellow et al., "Challenges in Representation Learning: A report on three machine learning
  contests", 2013. https://arxiv.org/abs/1307.0414
"""

from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.datasets.fer2013.csv_layouts import (
    CLASSES,
    CSV_EMOTIONS,
    MERGED,
    WHOLE_FILES,
    is_split_csv,
    read_split_csvs,
    read_whole_csv,
)
from ferjax.data.datasets.fer2013.unmarked_splits import rename_other_splits
from ferjax.data.datasets.numbered_folders import identify_numbered_classes
from ferjax.data.decoding.image_split import image_split
from ferjax.data.reading.class_folders import (
    class_folders,
    layout_error,
    unpacked,
    unread_lists,
    visible_entries,
)
from ferjax.data.reading.csv_rows import csv_header
from ferjax.data.reading.pixel_csv import SIDE, USAGES
from ferjax.data.reading.split_names import SPLIT_NAMES, one_folder_each
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.errors import UserError

_ROLES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test", MERGED: "test"}
# Split folder → the prefixes (usages) that the names of its images may have.
_FOLDERS = {
    "train": ("Training",),
    "val": ("PublicTest",),
    "valid": ("PublicTest",),
    "validation": ("PublicTest",),
    "test": ("PublicTest", "PrivateTest"),
}
_SCHEMES = {
    "as in fer2013.csv": CSV_EMOTIONS,
    "alphabetical": ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
}
LAYOUTS = (
    "fer2013.csv or icml_face_data.csv (columns emotion, pixels, Usage)",
    "train.csv with or without val.csv and test.csv (columns emotion, pixels)",
    "train/ and test/, also val/, holding one folder for each class (angry, disgust, fear, ...)",
    "any of them inside fer2013/",
)
SOURCE = (
    "Kaggle (data set msambare/fer2013, or the competition "
    "challenges-in-representation-learning-facial-expression-recognition-challenge)"
)


def load(
    data_dir: Path | str,
    *,
    storage_size: int = SIDE,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
) -> DatasetBundle:
    """Loads FER2013: train = Training, val = PublicTest, test = PrivateTest.

    If file names do not distinguish PublicTest from PrivateTest, test is both merged, val is cut
    from train, and a note says so. If PrivateTest is not on disk, there is no test split, and a
    note says so. If the splits on disk are another cut, they have no official names, and a note
    says so (`rename_other_splits`).

    Args:
      data_dir: the csv file, or the folder with that file, train.csv, or train/ and test/.
      storage_size: side that images of different sizes are resized to (folders only).
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of train that becomes val if PublicTest is not on disk.
      split_seed: seed of that cut.

    Raises:
      UserError: no known layout, two folders of one split, a broken row or file, or labels that
        look permuted.
    """
    unmarked: dict[str, str] = {}
    path, ignored = _find_layout(Path(data_dir))
    if path.is_file():
        pool, usage, notes = read_whole_csv(path)
        layout = f"{path.name} (emotion, pixels, Usage)"
        notes = (*(f"{path.name} was read, {name} beside it was not" for name in ignored), *notes)
    elif (path / "train.csv").is_file() or not any((path / name).is_dir() for name in _FOLDERS):
        pool, usage, notes, unmarked = read_split_csvs(path)
        layout = "a csv file for each split (emotion, pixels)"
        notes = (*(f"train.csv was read, {name} beside it was not" for name in ignored), *notes)
    else:
        pool, usage, notes, unmarked, layout = _read_folders(path, storage_size, on_bad_image)
    by_usage = _split_by_usage(pool, usage)
    splits, other_cut = rename_other_splits(by_usage, unmarked)
    dataset, roles = "fer2013", _ROLES
    if other_cut:
        # Only the counts of all splits together can be compared with the published ones.
        counts = np.bincount(pool.labels, minlength=len(CLASSES)).tolist()
        whole = {"+".join(USAGES): dict(zip(CLASSES, counts, strict=True))}
        notes += (*other_cut, *check_counts(dataset, whole, str(path)))
        dataset = "fer2013, another cut"
        roles = {name: _ROLES[usage] for name, usage in zip(splits, by_usage, strict=True)}
        roles |= {"val": "val", "test": "test"}  # names of splits that are not on disk
    merged_note = (
        "test is PublicTest and PrivateTest merged: the file names do not say which is which"
    )
    return assemble(
        dataset,
        splits,
        roles,
        CLASSES,
        layout=layout,
        where=str(path),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
        cut_notes=(merged_note,) if MERGED in splits else (),
    )


def _find_layout(data_dir: Path) -> tuple[Path, list[str]]:
    """Returns the csv file, or the folder with train.csv or train/; and names that are ignored."""
    if data_dir.is_file() and data_dir.suffix.lower() == ".csv":
        if not is_split_csv(data_dir):
            return data_dir, []
        alone = not data_dir.with_name("train.csv").is_file()
        has_usage = "usage" in map(str.lower, csv_header(data_dir))
        return (data_dir if alone and has_usage else data_dir.parent), []
    roots = (data_dir, data_dir / "fer2013")
    for root in roots:
        csv_files = [root / name for name in WHOLE_FILES if (root / name).is_file()]
        folders = [f"{name}/" for name in ("train", "test") if (root / name).is_dir()]
        # The csv file comes first, because it always distinguishes PublicTest from PrivateTest.
        if csv_files:
            return csv_files[0], [path.name for path in csv_files[1:]] + folders
        if (root / "train.csv").is_file():
            return root, folders
        if "train/" in folders:
            return root, []
    # A copy of the test images alone can be evaluated, but not trained on.
    for root in roots:
        if (root / "test").is_dir() or (root / "test.csv").is_file():
            return root, []
    raise layout_error("FER2013", data_dir, LAYOUTS, SOURCE)


def _read_folders(
    root: Path, storage_size: int, on_bad_image: str
) -> tuple[Split, np.ndarray, tuple[str, ...], dict[str, str], str]:
    """Reads train/<class>/, test/<class>/ and so on.

    Returns:
      One split with all images, the usage of each image, notes, usage → folder for the folders
      whose images have no usage in their names, and the layout.
    """
    paths: list[Path] = []
    keys: list[str] = []
    usages: list[str] = []
    unmarked: dict[str, str] = {}
    folders = [name for name in _FOLDERS if (root / name).is_dir()]
    one_folder_each(root, folders, SPLIT_NAMES)
    for folder in folders:
        files = class_folders(root / folder, _class_folder_names(root / folder))
        paths += (folder_paths := [path for group in files.values() for path in group])
        keys += [key for key, group in files.items() for _ in group]
        marks = _usages_by_prefix(folder_paths, root / folder, _FOLDERS[folder])
        if not marks:
            no_val = not set(folders) - {"train", "test"}
            usage = MERGED if folder == "test" and no_val else _FOLDERS[folder][-1]
            marks, unmarked[usage] = [usage] * len(folder_paths), f"{folder}/"
        usages += marks
    layout = f"class folders in {'/, '.join(folders)}/ (Kaggle)"
    names = dict(zip(CLASSES, CLASSES, strict=True))
    if numbered := [key for key in keys if key not in names]:
        if len(numbered) < len(keys):
            raise UserError(
                f"{root}: class folders are named in one split and numbered in another; rename the "
                "numbered ones by emotion (anger, disgust, ...)"
            )
        counts: dict[str, dict[str, int]] = {}
        for usage, key in zip(usages, keys, strict=True):
            per_class = counts.setdefault(usage, {})
            per_class[key] = per_class.get(key, 0) + 1
        names, scheme = identify_numbered_classes("fer2013", counts, _SCHEMES, str(root))
        layout += f", numbered {scheme} (told by the counts)"
    labels = np.array([CLASSES.index(names[key]) for key in keys], np.int32)
    ids = [path.relative_to(root).as_posix() for path in paths]
    # Within a split the classes are in the order of the class list, not of the folder names.
    order = sorted(
        range(len(keys)), key=lambda i: (folders.index(ids[i].split("/")[0]), labels[i], i)
    )
    pool = image_split(
        "all",
        [paths[i] for i in order],
        labels[order],
        [ids[i] for i in order],
        storage_size,
        on_bad_image=on_bad_image,
    )
    return pool, np.array(usages)[order], unread_lists(root), unmarked, layout


def _class_folder_names(folder: Path) -> dict[str, str]:
    """Returns class folder name → class name, or → number if the folders are numbered."""
    entries = [entry.name for entry in visible_entries(unpacked(folder)) if entry.is_dir()]
    if entries and all(name.isdecimal() for name in entries):
        return {str(k): str(k) for k in range(len(CLASSES))}
    return {name: name for name in CLASSES}


def _usages_by_prefix(paths: list[Path], folder: Path, allowed: tuple[str, ...]) -> list[str]:
    """Returns the usage of each file by the prefix of its name, [] if no file has one."""
    prefixes = [path.name.partition("_")[0] for path in paths]
    if not set(prefixes) & set(USAGES):
        return []
    for path, prefix in zip(paths, prefixes, strict=True):
        if prefix not in allowed:
            raise UserError(
                f"{path}: other files of {folder} are named by their usage, so this one should "
                f"start with {' or '.join(f'{usage}_' for usage in allowed)}; copy the data set "
                "again"
            )
    return prefixes


def _split_by_usage(pool: Split, usage: np.ndarray) -> dict[str, Split]:
    """Returns usage → its images, for each usage that occurs."""
    order = [name for name in _ROLES if (usage == name).any()]
    return {name: subset(pool, np.flatnonzero(usage == name), name) for name in order}
