"""Loads a user's own images (`--dataset=folder`): class folders, or a list of paths and labels."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.classes_txt import class_list
from ferjax.data.decoding.image_split import image_split
from ferjax.data.reading.class_folders import layout_error, unpacked
from ferjax.data.reading.folder_walk import list_tree
from ferjax.data.reading.image_table_columns import Listing
from ferjax.data.reading.path_label_list import LIST_SUFFIXES, read_list
from ferjax.data.splits.compact_names import Files
from ferjax.data.splits.folds import subject_folds
from ferjax.data.splits.split import DatasetBundle, Split, shared_subjects, subset
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

    The class list has emotions in canonical order, then other names alphabetically. If there is no
    val, it is cut from train. The cut is by subject if the list has subjects (every k-th of the
    sorted ids from the `split_seed`-th on, k = 1/`val_fraction`), else stratified by class.

    Args:
      data_dir: the folder, or the list file.
      storage_size: side that images of different sizes are resized to.
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of train that becomes val if there is none. 0: the data are only
        evaluated; any split may be missing, and one class is enough.
      split_seed: seed of that cut.

    Raises:
      UserError: no images, numbered classes without a classes.txt, fewer than two classes, a class
        without training images, or an error of `list_tree` or `read_list`.
    """
    data_dir = Path(data_dir)
    if data_dir.is_file() and data_dir.suffix.lower() in LIST_SUFFIXES:
        listing, layout = read_list(data_dir), f"list of images ({data_dir.name})"
    elif data_dir.is_dir() and unpacked(data_dir, splits=True) == data_dir:
        listing = list_tree(data_dir)
        split_text = " in train/ and others" if "split" in listing.columns else ""
        layout = f"class folders{split_text}"
    else:
        raise layout_error("images", data_dir, LAYOUTS, None)
    counts = listing.columns["label"].counts()
    classes, class_of_label, class_notes = class_list(counts, listing.root)
    evaluation_only = val_fraction == 0
    if len(classes) < 2 and not evaluation_only:
        raise UserError(
            f"{data_dir}: one class only, {', '.join(classes)}; expected two or more. A list of "
            "images goes in as the file itself: --data_dir=LIST.csv"
        )
    pool = _load_all(listing, class_of_label, storage_size, on_bad_image)
    splits_found, roles, subject_notes = _split_by_column(pool, listing), _ROLES, ()
    if not evaluation_only:
        _check_classes(splits_found, classes, data_dir)
    if pool.subjects is None:
        pass
    elif evaluation_only or "val" in splits_found:
        subject_notes = _shared_subject_notes(splits_found)
    else:
        splits_found, roles = _cut_val_by_subject(splits_found, val_fraction, split_seed, data_dir)
        subject_notes = _shared_subject_notes(splits_found)
    return assemble(
        "folder",
        splits_found,
        roles,
        classes,
        layout=layout,
        where=str(data_dir),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=(*class_notes, *listing.notes),
        cut_notes=subject_notes,
        crops="as given",
    )


def _load_all(
    listing: Listing, class_of_label: np.ndarray, storage_size: int, on_bad_image: str
) -> Split:
    """Returns all images as one split."""
    labels = class_of_label[listing.columns["label"].codes]
    files = Files(listing.root, listing.names)
    pool = image_split("all", files, labels, listing.names, storage_size, on_bad_image=on_bad_image)
    subjects = listing.columns.get("subject")
    if subjects is None:
        return pool
    return replace(pool, subjects=np.array(subjects.values)[subjects.codes])


def _split_by_column(pool: Split, listing: Listing) -> dict[str, Split]:
    """Returns the splits that the column `split` names, or all images as `train`."""
    column = listing.columns.get("split")
    if column is None:
        return {"train": replace(pool, name="train")}
    positions_of = {name: np.flatnonzero(column.codes == k) for k, name in enumerate(column.values)}
    return {name: subset(pool, positions_of[name], name) for name in _ROLES if name in positions_of}


def _check_classes(splits_found: dict[str, Split], classes: tuple[str, ...], where: Path) -> None:
    """Raises `UserError` unless every class has training images."""
    if "train" not in splits_found:
        found_text = ", ".join(f"{name} {len(split):,}" for name, split in splits_found.items())
        advice = "Mark rows as train in the column split" if where.is_file() else "Add train/"
        raise UserError(
            f"{where}: no training images, found {found_text}. {advice}; or judge these with a"
            " trained run: python -m launch.evaluate --workdir=RUN --dataset=folder"
            f" --data_dir={where}"
        )
    absent = sorted(set(range(len(classes))) - set(splits_found["train"].labels.tolist()))
    if absent:
        raise UserError(
            f"{where}: no training images of {', '.join(classes[k] for k in absent)}, only others; "
            "add some, or take the class out of every split"
        )


def _cut_val_by_subject(
    splits_found: dict[str, Split], fraction: float, seed: int, where: Path
) -> tuple[dict[str, Split], dict[str, str]]:
    """Cuts val from train by subject; returns original name → split and original name → role."""
    if not 0 < fraction < 1:
        raise UserError(f"val_fraction={fraction}: expected a number above 0 and below 1, say 0.1")
    train = splits_found["train"]
    people = len(np.unique(train.subjects if train.subjects is not None else ()))
    if people < 2:
        raise UserError(
            f"{where}: its training images are of one subject, and val is cut by subject; expected"
            " two or more. Add images of other people, mark rows as val in the column split, or"
            " leave the column subject out"
        )
    k = max(2, min(round(1 / fraction), people))
    val = subject_folds(train.subjects if train.subjects is not None else (), k)[seed % k]
    kept = np.setdiff1d(np.arange(len(train)), val)
    source_of = {
        "train": "train without the people of val",
        "val": f"one in {k} of the people of train",
    }
    parts = {"train": subset(train, kept), "val": subset(train, val, "val")}
    splits = {source_of.get(name, name): split for name, split in {**splits_found, **parts}.items()}
    return splits, {source_of.get(name, name): name for name in _ROLES}


def _shared_subject_notes(splits_found: dict[str, Split]) -> tuple[str, ...]:
    """Returns a note for each pair of splits that share subjects."""
    return tuple(
        f"{shared:,} people are in {a} and in {b}: the splits are not subject-independent"
        for a, b in itertools.combinations(splits_found, 2)
        if (shared := shared_subjects(splits_found[a], splits_found[b]))
    )
