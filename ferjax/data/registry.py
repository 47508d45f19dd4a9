"""Registry of data sets by name: loads one, finds its folder, states where to get it."""

import contextlib
import functools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferjax.config.registered_names import find, register, registered
from ferjax.data.dataset_table import DATASETS, DatasetEntry
from ferjax.data.reading.class_folders import LayoutError, only_folder
from ferjax.data.splits.bad_images import skip_unreadable
from ferjax.data.splits.exclude_file import without_listed
from ferjax.data.splits.label_range import check_labels
from ferjax.data.splits.protocols.registry import named_protocol
from ferjax.data.splits.refold_splits import refold
from ferjax.data.splits.split import DatasetBundle
from ferjax.data.storage.bundle_from_stores import stored
from ferjax.data.storage.memory_cache import cached
from ferjax.errors import UserError


def register_dataset(
    name: str,
    load: Callable[..., DatasetBundle],
    *,
    layouts: tuple[str, ...] = ("files of your own",),
    source: str = "your own",
    options: tuple[str, ...] = (),
    on_disk: bool = True,
) -> None:
    """Adds a data set of the user's own, for `load_dataset` and `launch.train --dataset=NAME`.

    Args:
      name: letters, digits and underscores.
      load: (path or None, *, storage_size, on_bad_image, val_fraction, split_seed, **options) →
        `DatasetBundle`; take `**_` for what it does not need. `bundle_from_arrays` makes one. With
        `val_fraction` 0 the data are only judged, and no val is cut.
      layouts: what it recognises on disk, in words, for messages.
      source: where to get it, for messages.
      options: fields of `TrainConfig` that `load` takes too, for instance `num_classes`.
      on_disk: whether it is read from `--data_dir`; else `load` is called with None.

    Raises:
      UserError: the name is one of ferjax's own, or no identifier.
    """
    register("dataset", name, DatasetEntry(load, layouts, source, options, on_disk), DATASETS)


def dataset_entries() -> dict[str, DatasetEntry]:
    """Returns every data set by name, ferjax's own and registered ones."""
    return {**DATASETS, **registered("dataset")}


def load_dataset(
    name: str,
    data_dir: str | Path | None = None,
    *,
    image_size: int = 64,
    val_fraction: float = 0.1,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    protocol: str | None = None,
    on_bad_image: str = "error",
    cache_dir: str | Path | None = None,
    **options: Any,
) -> DatasetBundle:
    """Returns the splits and class list of a data set; every image is decoded once.

    Images that are listed in a file `exclude.txt` in its folder are left out.

    Args:
      name: a key of `dataset_entries()`.
      data_dir: its folder or csv file. None: $FERJAX_DATA/<name>, then data/<name>.
      image_size: side to which images are resized if they differ in size, and at which synthetic
        faces are drawn.
      val_fraction: share of train held out as `val`, stratified, if the data set has no `val`; with
        folds the share of all images that is `val`. 0: the data are only judged, so that none is
        cut and `train` may be missing.
      split_seed: seed of that cut and of stratified folds.
      folds: number of folds that replace train and val, by subject if the data set has subjects.
      fold: which fold is test, from 1 on; val comes out of the next one (`fold_splits`).
      protocol: a name of `PROTOCOLS`, to cut and label otherwise than ferjax does; not with folds.
      on_bad_image: `error`; `skip` to leave out unreadable images, which reads all images first; or
        `list` to leave them in, so that an audit meets them when it reads them.
      cache_dir: folder of memory-mapped stores of decoded images; stores that do not exist are
        built. None: decoded images are kept in memory.
      **options: options of this data set (`DatasetEntry.options`); None means not given.

    Raises:
      UserError: unknown name or option, no known layout, unreadable files, permuted labels, labels
        outside the class list.
    """
    entry = find("dataset", name, DATASETS)
    own = entry.options
    given = {key: value for key, value in options.items() if value is not None}
    for key, value in given.items():
        if key not in own:
            raise UserError(f"--{key}={value}: {name} has its own. Leave the flag out.")
    if "folds" in own and folds:
        given |= {"folds": folds, "fold": fold or 1}
    cut_by = named_protocol(protocol, name, folds) if protocol else None
    given |= cut_by.options if cut_by else {}
    # A protocol cuts the splits as they lie on disk, as they are where data are only judged.
    judged = val_fraction == 0 or cut_by is not None
    path = data_path(name, data_dir)
    read_from, bundle = _load_at(
        path,
        functools.partial(
            entry.load,
            storage_size=image_size,
            on_bad_image="error" if on_bad_image == "error" else "skip",
            val_fraction=0 if judged else val_fraction,
            split_seed=split_seed,
            **given,
        ),
    )
    # A loader of the user's own may have counted from 1, or kept -1 for images without a label.
    check_labels(bundle.splits, bundle.classes)
    if judged:
        # A loader of the user's own may have cut an empty val.
        found = {key: split for key, split in bundle.splits.items() if len(split)}
        bundle = replace(bundle, splits=found)
    for folder in dict.fromkeys((path, read_from)):
        if folder and read_from:
            inside = read_from.relative_to(folder)
            bundle = without_listed(bundle, folder, inside, judged=judged)
    if cut_by:
        bundle = cut_by.arrange(bundle, split_seed, val_fraction)
    if folds and "folds" not in own:
        bundle = refold(bundle, fold or 1, folds, val_fraction=val_fraction, seed=split_seed)
    if cache_dir and path:
        return stored(bundle, Path(cache_dir).expanduser(), name, path, on_bad_image)
    if on_bad_image == "skip":
        return skip_unreadable(bundle, cached)
    return replace(bundle, splits={key: cached(split) for key, split in bundle.splits.items()})


def _load_at(
    path: Path | None, load: Callable[[Path | None], DatasetBundle]
) -> tuple[Path | None, DatasetBundle]:
    """Returns the folder that was read, and what `load` made of it.

    That is `path`, or, if an archive was unpacked one or more levels too deep, the folder in it.
    """
    try:
        return path, load(path)
    except LayoutError:
        inner = only_folder(path) if path else None
        if inner is None:
            raise
        # The error for the folder that the user gave says more than that for the one in it.
        with contextlib.suppress(LayoutError):
            read_from, bundle = _load_at(inner, load)
            note = f"read from {inner}, the only folder in {path}"
            return read_from, replace(bundle, notes=(note, *bundle.notes))
        raise


def data_path(name: str, data_dir: str | Path | None = None) -> Path | None:
    """Returns the folder or file of a data set, None for one that is not read from disk.

    Raises:
      UserError: an unknown data set, no such folder, or a folder for one that is drawn.
    """
    entry = dataset_entries().get(name)
    if entry and not entry.on_disk:
        if data_dir:
            raise UserError(
                f"--data_dir={data_dir}: {name} is drawn, not read from disk. Leave the flag out."
            )
        return None
    # Crops are cut from any folder, which needs no name of a data set.
    if data_dir:
        return Path(data_dir).expanduser()
    entry = find("dataset", name, DATASETS)
    candidates = [Path("data") / name]
    if root := os.environ.get("FERJAX_DATA"):
        candidates.insert(0, Path(root).expanduser() / name)
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        raise UserError(
            f"--data_dir is missing, and there is no {' or '.join(map(str, candidates))}."
            f" Expected: {'; '.join(entry.layouts)}. Source of {name}: {entry.source}."
        )
    return found
