"""Registry of data sets by name: loads a data set, finds its folder, states its source."""

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
from ferjax.errors import UserError, unknown_name

# Flags that loaders may take; a run passes no other flags on.
_OPTIONS = ("num_classes", "labels", "angles", "folds", "fold")


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
        `DatasetBundle`; `**_` takes the arguments that it does not need. `bundle_from_arrays` makes
        a `DatasetBundle`. With `val_fraction` 0 the data are only evaluated, and no val is cut.
      layouts: descriptions of the layouts on disk that it recognises, for messages.
      source: where to get it, for messages.
      options: flags that `load` takes too: `num_classes`, `labels`, `angles`; `folds` and `fold`
        if it cuts folds itself. Give other arguments by `functools.partial`.
      on_disk: whether it is read from `--data_dir`; else `load` is called with None.

    Raises:
      UserError: the name is one of ferjax's own, or no identifier; or an option of another name.
    """
    for option in options:
        if option not in _OPTIONS:
            raise unknown_name(f"option of {name}", option, _OPTIONS)
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

    Images that are listed in a file `exclude.txt` in its folder, or in a folder in it that holds
    the data set, are left out (`without_listed`).

    Args:
      name: a key of `dataset_entries()`.
      data_dir: its folder or csv file. None: $FERJAX_DATA/<name>, then data/<name>.
      image_size: side to which images are resized if they differ in size, and at which synthetic
        faces are drawn.
      val_fraction: share of train held out as `val`, stratified, if the data set has no `val`; with
        folds the share of all images that is `val`. 0: the data are only evaluated, so no val is
        cut and `train` may be missing.
      split_seed: seed of that cut and of stratified folds.
      folds: number of folds, 2 or more, that replace train and val, by subject if the data set has
        subjects; not with `val_fraction` 0.
      fold: number of the test fold, from 1, only with `folds`; None: 1. Val is taken from the next
        fold (`fold_splits`).
      protocol: a name of `PROTOCOLS`, which replaces ferjax's own cut and labels; not with folds.
      on_bad_image: `error`; `skip`: all images are read first, and unreadable ones are left out;
        `list`: unreadable images stay in, so that an audit reports them when it reads them.
      cache_dir: folder of memory-mapped stores of decoded images; stores that do not exist are
        built. None: decoded images are kept in memory.
      **options: options of this data set (`DatasetEntry.options`); None means not given.

    Raises:
      UserError: unknown name or option, options that contradict each other, no known layout,
        unreadable files, permuted labels, labels outside the class list.
    """
    _check_folds(folds, fold, val_fraction)
    fold = 1 if fold is None else fold
    entry = find("dataset", name, DATASETS)
    loader_options = entry.options
    option_values = {key: value for key, value in options.items() if value is not None}
    for key, value in option_values.items():
        if key not in loader_options:
            raise UserError(f"--{key}={value}: {name} has its own. Leave the flag out.")
    if "folds" in loader_options and folds:
        option_values |= {"folds": folds, "fold": fold}
    chosen_protocol = named_protocol(protocol, name, folds) if protocol else None
    option_values |= chosen_protocol.options if chosen_protocol else {}
    # A protocol cuts the splits that are on disk. Data that are only evaluated keep these splits.
    keep_disk_splits = val_fraction == 0 or chosen_protocol is not None
    # Without official splits a protocol changes the splits that ferjax cuts.
    has_cut = not keep_disk_splits or (chosen_protocol is not None and not entry.official_splits)
    path = data_path(name, data_dir)
    bundle = _load_at(
        path,
        functools.partial(
            entry.load,
            storage_size=image_size,
            on_bad_image="error" if on_bad_image == "error" else "skip",
            val_fraction=val_fraction if has_cut else 0,
            split_seed=split_seed,
            **option_values,
        ),
    )
    # A loader of the user's own may number labels from 1, or keep -1 for images without a label.
    check_labels(bundle.splits, bundle.classes)
    if keep_disk_splits:
        # A loader of the user's own may have cut an empty val.
        nonempty_splits = {key: split for key, split in bundle.splits.items() if len(split)}
        bundle = replace(bundle, splits=nonempty_splits)
    if path:
        bundle = without_listed(bundle, path, judged=keep_disk_splits)
    if chosen_protocol:
        bundle = chosen_protocol.arrange(bundle, split_seed, val_fraction)
    if folds and "folds" not in loader_options:
        bundle = refold(bundle, fold, folds, val_fraction=val_fraction, seed=split_seed)
    if cache_dir and path:
        return stored(bundle, Path(cache_dir).expanduser(), name, path, on_bad_image)
    if on_bad_image == "skip":
        return skip_unreadable(bundle, cached)
    return replace(bundle, splits={key: cached(split) for key, split in bundle.splits.items()})


def _check_folds(folds: int | None, fold: int | None, val_fraction: float) -> None:
    """Raises `UserError` for numbers of folds that would be ignored."""
    if folds is not None and folds < 2:
        raise UserError(f"folds={folds}: expected 2 or more, or None for the data set's own splits")
    if fold is not None and folds is None:
        raise UserError(f"fold={fold}: `folds`, the number of folds, is missing; give both or none")
    if folds is not None and val_fraction == 0:
        raise UserError(
            f"folds={folds} with val_fraction=0: folds are cut for training, and each needs a val;"
            " give a val_fraction above 0, or leave folds out to evaluate all images"
        )


def _load_at(path: Path | None, load: Callable[[Path | None], DatasetBundle]) -> DatasetBundle:
    """Loads the data set at `path`, or one or more levels below if an archive was unpacked there.

    The bundle states its `root` if `path` is not itself the folder that was read.
    """
    try:
        return load(path)
    except LayoutError:
        inner = only_folder(path) if path else None
        if inner is None:
            raise
        # The error about the user's folder is more helpful than the one about the inner folder.
        with contextlib.suppress(LayoutError):
            bundle = _load_at(inner, load)
            note = f"read from {inner}, the only folder in {path}"
            return replace(bundle, root=bundle.root or inner, notes=(note, *bundle.notes))
        raise


def data_path(name: str, data_dir: str | Path | None = None) -> Path | None:
    """Returns the folder or file of a data set, None for one that is not read from disk.

    Raises:
      UserError: an unknown data set, no such folder, a path that no folder can have, or a folder
        for a data set that is drawn.
    """
    entry = dataset_entries().get(name)
    if entry and not entry.on_disk:
        if data_dir:
            raise UserError(
                f"--data_dir={data_dir}: {name} is drawn, not read from disk. Leave the flag out."
            )
        return None
    # Faces are cropped from any folder, so a given folder needs no registered data set.
    if data_dir:
        return _readable_path(Path(os.path.expanduser(data_dir)))
    entry = find("dataset", name, DATASETS)
    candidates = [Path("data") / name]
    if root := os.environ.get("FERJAX_DATA"):
        candidates.insert(0, Path(root).expanduser() / name)
    existing_path = next((path for path in candidates if os.path.exists(path)), None)
    if existing_path is None:
        raise UserError(
            f"--data_dir is missing, and there is no {' or '.join(map(str, candidates))}."
            f" Expected: {'; '.join(entry.layouts)}. Source of {name}: {entry.source}."
        )
    return existing_path


def _readable_path(path: Path) -> Path:
    """Returns the path; raises `UserError` if the system cannot say whether it exists."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # The error of the data set's loader says what it looked for.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--data_dir={path} cannot be read ({reason}). Correct the path.") from None
    return path
