"""Reads RAF-DB in train/, val/ and test/ folders (Kaggle): class folders or a label csv."""

from collections import Counter
from pathlib import Path

from ferjax.data.datasets.numbered_folders import identify_numbered_classes
from ferjax.data.datasets.published_class_counts import published_counts
from ferjax.data.datasets.rafdb.label_csv import BY_NAME, ONE_BASED, ZERO_BASED, read_labels_csv
from ferjax.data.datasets.rafdb.official_lists import NUMBERED, Entry
from ferjax.data.reading.class_folders import class_folders, unpacked, unread_lists, visible_entries
from ferjax.data.reading.image_names import is_image
from ferjax.errors import UserError

# Split folder → split name.
_SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}
# Numberings from 0 that are in use. For DACL's only these four numbers are documented.
SCHEMES = {
    "the official labels less 1": NUMBERED,
    "EfficientFace's": (
        "neutral",
        "happiness",
        "sadness",
        "surprise",
        "fear",
        "disgust",
        "anger",
    ),
    "DACL's": ("neutral", "happiness", "sadness", "", "", "", "disgust"),
    "ResEmoteNet's": (
        "happiness",
        "surprise",
        "sadness",
        "anger",
        "disgust",
        "fear",
        "neutral",
    ),
}


def read_folders(root: Path) -> tuple[list[Entry], str, tuple[str, ...]]:
    """Lists the images of train/, valid/ or val/, and test/.

    A valid/ that contains the test images (named test_..., or as many as published) is test.

    Returns:
      The entries, the layout, notes for the report.

    Raises:
      UserError: classes that cannot be identified, labels that contradict each other, absent
        files, or images in the folder of another split.
    """
    folders = [name for name in _SPLITS if (root / name).is_dir()]
    images_in = {name: _split_folder(root, name) for name in folders}
    split_of = {name: _SPLITS[name] for name in folders}
    notes: tuple[str, ...] = ()
    for name in folders:
        if split_of[name] == "val" and _is_test_split(
            [path for _, path in images_in[name]], folders
        ):
            if "test" in folders:
                notes += (f"{name}/ holds test images as test/ does: it is not used",)
                split_of[name] = ""
            else:
                notes += (f"{name}/ holds the test images: it is test, val is cut from train",)
                split_of[name] = "test"
        elif list(split_of.values()).count(split_of[name]) > 1:
            raise UserError(f"{root}: val/ and valid/ are both there; remove or rename one")
    entries = [
        (split_of[name], key, path)
        for name in folders
        if split_of[name]
        for key, path in images_in[name]
    ]
    _check_prefixes(entries)
    entries, numbered = _name_classes(root, entries)
    flat = not any(entry.is_dir() for entry in visible_entries(root / folders[0]))
    notes += unread_lists(root, *(f"{name}_labels.csv" for name in folders))
    kind = "flat folders and csv files of labels" if flat else "class folders"
    return entries, f"{kind} in {'/, '.join(folders)}/{numbered}", notes


def _split_folder(root: Path, name: str) -> list[tuple[str, Path]]:
    """Returns (class name or number from 0, file) of every image of one split folder."""
    folder = unpacked(root / name)
    label_csv = next((p for p in _label_csv_paths(root, name) if p.is_file()), None)
    labels = read_labels_csv(label_csv) if label_csv else {}
    subfolders = [entry.name for entry in visible_entries(folder) if entry.is_dir()]
    if subfolders:
        if not all(name.isdecimal() for name in subfolders):
            scheme = BY_NAME
        else:
            scheme = ZERO_BASED if any(int(name) == 0 for name in subfolders) else ONE_BASED
        files = class_folders(folder, scheme)
        images = [(key, path) for key, paths in files.items() for path in paths]
        if label_csv and scheme is not ZERO_BASED:
            _check_against_folders(images, labels, label_csv)
        return images
    present = {path.name: path for path in visible_entries(folder) if is_image(path)}
    if label_csv is None or not labels:
        raise UserError(
            f"{folder}: no class folders, and no {name}_labels.csv with rows in {root} or beside "
            "it; get one of them (column 1 image name, column 2 label)"
        )
    absent = [image for image in labels if image not in present]
    unlisted = [image for image in present if image not in labels]
    if absent or unlisted:
        raise UserError(
            f"{label_csv}: {len(absent):,} of its {len(labels):,} images are not in {folder}"
            f"{f', first {absent[0]}' if absent else ''}; {len(unlisted):,} images there are not "
            f"listed{f', first {unlisted[0]}' if unlisted else ''}. Copy both again"
        )
    return [(label, present[image]) for image, label in labels.items()]


def _label_csv_paths(root: Path, name: str) -> tuple[Path, ...]:
    """Returns the possible paths of a split folder's label csv: in the root or in its parent."""
    return tuple(place / f"{name}_labels.csv" for place in (root, root.parent))


def _check_against_folders(
    images: list[tuple[str, Path]], labels: dict[str, str], label_csv: Path
) -> None:
    """Refuses a label csv that contradicts the class folders; numbers from 0 are not compared."""
    for name, path in images:
        label = labels.get(path.name, name)
        if label != name and label in BY_NAME:
            raise UserError(
                f"{label_csv}: {path.name} is {label}, but it lies in the folder of {name} "
                f"({path}); one of the two is from another copy. Get the data set again"
            )


def _is_test_split(paths: list[Path], folders: list[str]) -> bool:
    """Returns whether the images of a validation folder are RAF-DB's test split."""
    prefixes = {path.name.partition("_")[0] for path in paths}
    if prefixes & {"train", "test"}:
        return prefixes == {"test"}
    whole = sum(published_counts("rafdb", "test").values())
    return "test" not in folders and len(paths) == whole


def _check_prefixes(entries: list[Entry]) -> None:
    """Refuses images whose names begin with the name of another split."""
    for split, _, path in entries:
        prefix = path.name.partition("_")[0]
        if prefix in ("train", "test") and prefix != {"val": "train"}.get(split, split):
            raise UserError(
                f"{path}: an image of RAF-DB's {prefix} split among those of {split}; move it back"
            )


def _name_classes(root: Path, entries: list[Entry]) -> tuple[list[Entry], str]:
    """Returns the entries with numbers replaced by class names, and a text for the layout."""
    numbered = [key not in BY_NAME for _, key, _ in entries]
    if not any(numbered):
        return entries, ""
    if not all(numbered):
        raise UserError(
            f"{root}: classes are numbered from 0 in one split and named or numbered from 1 in "
            "another; rename them all by emotion (anger, disgust, ...)"
        )
    counts = {
        split: Counter(key for entry_split, key, _ in entries if entry_split == split)
        for split in dict.fromkeys(split for split, _, _ in entries)
    }
    names, scheme = identify_numbered_classes("rafdb", counts, SCHEMES, str(root))
    layout_text = f", numbered from 0: {scheme} numbering, told by the counts"
    return [(split, names[key], path) for split, key, path in entries], layout_text
