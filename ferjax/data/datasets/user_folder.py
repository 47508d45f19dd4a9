"""Any images of the user's own: class folders, or a list of paths and labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble import assemble
from ferjax.data.datasets.user_class_names import class_list
from ferjax.data.decoding.image_file import image_split
from ferjax.data.reading.class_folders import layout_error
from ferjax.data.reading.folder_walk import list_tree
from ferjax.data.reading.image_listing import Listing
from ferjax.data.reading.path_label_list import LIST_SUFFIXES, read_list
from ferjax.data.splits.compact_names import Files
from ferjax.data.splits.folds import subject_folds
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.errors import UserError

LAYOUTS = (
    "one folder of images for each class, also inside train/, val/ and test/",
    "a .csv or .jsonl list of path,label[,split][,subject], paths relative to its folder",
)
SOURCE = "images of your own"
_ROLES = {"train": "train", "val": "val", "test": "test"}


def load(
    data_dir: Path | str,
    *,
    storage_size: int = 64,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
) -> DatasetBundle:
    """Loads class folders or a list; classes that are emotions get their canonical names.

    The class list is the emotions in canonical order, then other names alphabetically. Where no
    val is given it is cut from train: by person where the list knows them (every k-th of the
    sorted ids, k = 1/`val_fraction`, from the `split_seed`-th on), else stratified.

    Args:
      data_dir: the folder, or the list file.
      storage_size: side that images of differing sizes are stored in.
      on_bad_image: `error`, or `skip`: files with broken headers are passed over.
      val_fraction: share of train that becomes val where none is given.
      split_seed: of that cut.

    Raises:
      UserError: nothing to read there, classes that are numbers without a classes.txt, fewer than
        two, a class without training images, or what `list_tree` and `read_list` refuse.
    """
    data_dir = Path(data_dir)
    if data_dir.is_file() and data_dir.suffix.lower() in LIST_SUFFIXES:
        listing, layout = read_list(data_dir), f"list of images ({data_dir.name})"
    elif data_dir.is_dir():
        listing = list_tree(data_dir)
        inside = " in train/ and others" if "split" in listing.columns else ""
        layout = f"class folders{inside}"
    else:
        raise layout_error("images", data_dir, LAYOUTS, SOURCE)
    classes, of_label = class_list(listing.columns["label"].values, listing.root)
    if len(classes) < 2:
        raise UserError(
            f"{data_dir}: one class only, {', '.join(classes)}; expected two or more. A list of "
            "images goes in as the file itself: --data_dir=LIST.csv"
        )
    whole = _whole(listing, of_label, storage_size, on_bad_image)
    found, roles, notes = _splits(whole, listing), _ROLES, listing.notes
    _check_classes(found, classes, data_dir)
    if whole.subjects is None:
        pass
    elif "val" in found:
        notes += _shared_people(found)
    else:
        found, roles = _val_by_person(found, val_fraction, split_seed)
        notes += _shared_people(found)
    return assemble(
        "folder",
        found,
        roles,
        classes,
        layout=layout,
        where=str(data_dir),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
        crops="as given",
    )


def _whole(listing: Listing, of_label: np.ndarray, storage_size: int, on_bad_image: str) -> Split:
    """Returns all images as one split."""
    labels = of_label[listing.columns["label"].codes]
    files = Files(listing.root, listing.names)
    whole = image_split(
        "all", files, labels, listing.names, storage_size, on_bad_image=on_bad_image
    )
    people = listing.columns.get("subject")
    if people is None:
        return whole
    return replace(whole, subjects=np.array(people.values)[people.codes])


def _splits(whole: Split, listing: Listing) -> dict[str, Split]:
    """Returns the splits that the column `split` names, or all images as `train`."""
    column = listing.columns.get("split")
    if column is None:
        return {"train": replace(whole, name="train")}
    of_split = {name: np.flatnonzero(column.codes == k) for k, name in enumerate(column.values)}
    return {name: subset(whole, of_split[name], name) for name in _ROLES if name in of_split}


def _check_classes(found: dict[str, Split], classes: tuple[str, ...], where: Path) -> None:
    if "train" not in found:
        return  # assemble says so
    lost = sorted(set(range(len(classes))) - set(found["train"].labels.tolist()))
    if lost:
        raise UserError(
            f"{where}: no training images of {', '.join(classes[k] for k in lost)}, only others; "
            "add some, or take the class out of every split"
        )


def _val_by_person(
    found: dict[str, Split], fraction: float, seed: int
) -> tuple[dict[str, Split], dict[str, str]]:
    """Cuts val from train so that nobody is in both; returns own name → split, own name → role."""
    if not 0 < fraction < 1:
        raise UserError(f"val_fraction={fraction}: expected a number above 0 and below 1, say 0.1")
    train = found["train"]
    k = max(2, round(1 / fraction))
    val = subject_folds(train.subjects if train.subjects is not None else (), k)[seed % k]
    kept = np.setdiff1d(np.arange(len(train)), val)
    own = {"train": "train without the people of val", "val": f"one in {k} of the people of train"}
    parts = {"train": subset(train, kept), "val": subset(train, val, "val")}
    splits = {own.get(name, name): split for name, split in {**found, **parts}.items()}
    return splits, {own.get(name, name): name for name in _ROLES}


def _shared_people(found: dict[str, Split]) -> tuple[str, ...]:
    """Returns a note for each two splits that show the same people."""
    people = {
        own: set(np.unique(split.subjects).tolist())
        for own, split in found.items()
        if split.subjects is not None
    }
    pairs = [(a, b) for i, a in enumerate(people) for b in list(people)[i + 1 :]]
    return tuple(
        f"{len(people[a] & people[b]):,} people are in {a} and in {b}: the splits are not "
        "subject-independent"
        for a, b in pairs
        if people[a] & people[b]
    )
