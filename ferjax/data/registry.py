"""Every data set by name: how to load it, where it lies, where to get it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ferjax.data import fer2013, rafdb, synthetic
from ferjax.data.cache import cached
from ferjax.data.split import DatasetBundle
from ferjax.errors import UserError, unknown_name


@dataclass(frozen=True)
class DatasetEntry:
    """A registered data set: its loader from files on disk, and what `--list` says of it."""

    load: Callable[..., DatasetBundle]
    layouts: tuple[str, ...]
    source: str


DATASETS: dict[str, DatasetEntry] = {
    "fer2013": DatasetEntry(fer2013.load, fer2013.LAYOUTS, fer2013.SOURCE),
    "rafdb": DatasetEntry(rafdb.load, rafdb.LAYOUTS, rafdb.SOURCE),
}

_SYNTHETIC = DatasetEntry(synthetic.load, ("none: drawn by the library",), "built in")


def dataset_entries() -> dict[str, DatasetEntry]:
    """Returns all data sets by name, those on disk and the synthetic one."""
    return {**DATASETS, "synthetic": _SYNTHETIC}


def load_dataset(
    name: str,
    data_dir: str | Path | None = None,
    *,
    image_size: int = 64,
    num_classes: int | None = None,
    val_fraction: float = 0.1,
    split_seed: int = 0,
) -> DatasetBundle:
    """Returns the splits and class list of a data set; decoded images stay in memory.

    Args:
      name: a key of `dataset_entries()`.
      data_dir: its folder, or csv file. None: $FERJAX_DATA/<name>, then data/<name>.
      image_size: side to which the host resizes where images differ in size, and at which
        synthetic faces are drawn.
      num_classes: of `synthetic`: 7, or 8 with contempt.
      val_fraction: share of train held out as `val` where the set has none, stratified.
      split_seed: seed of that cut.

    Raises:
      UserError: unknown name, no or a wrong layout, unreadable files, permuted labels.
    """
    if name == "synthetic":
        if data_dir:
            raise UserError(
                f"--data_dir={data_dir}: synthetic faces are drawn, not read. Leave the flag out."
            )
        bundle = synthetic.load(size=image_size, num_classes=num_classes or 7)
    elif name in DATASETS:
        if num_classes:
            raise UserError(f"--num_classes={num_classes}: {name} has its own. Leave the flag out.")
        bundle = DATASETS[name].load(
            _find(name, data_dir),
            storage_size=image_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )
    else:
        raise unknown_name("dataset", name, dataset_entries())
    return replace(bundle, splits={key: cached(split) for key, split in bundle.splits.items()})


def _find(name: str, data_dir: str | Path | None) -> Path:
    if data_dir:
        return Path(data_dir)
    candidates = [Path("data") / name]
    if root := os.environ.get("FERJAX_DATA"):
        candidates.insert(0, Path(root) / name)
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        entry = DATASETS[name]
        raise UserError(
            f"--data_dir is missing, and there is no {' or '.join(map(str, candidates))}."
            f" Expected: {'; '.join(entry.layouts)}. Where to get {name}: {entry.source}."
        )
    return found
