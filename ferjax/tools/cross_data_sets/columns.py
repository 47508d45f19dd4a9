"""The columns of a matrix: data sets, each with the split that every network is judged on."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ferjax.config.matrix_config import MatrixConfig
from ferjax.config.registered_names import find
from ferjax.data.registry import DATASETS, data_path, load_dataset
from ferjax.data.splits.class_counts import counts_by_class
from ferjax.data.splits.split import DatasetBundle, join_splits
from ferjax.data.splits.split_record import record_splits
from ferjax.errors import UserError, printable, unknown_name
from ferjax.evaluation.evaluated_data import ALL

SPLITS = ("train", "val", "test", ALL)


@dataclass(frozen=True)
class Column:
    """A column of the matrix: a data set, or one split of it.

    Attributes:
      name: name of the column; no two columns have the same name.
      dataset: name of the data set.
      data_dir: its folder or file; None for a data set that is drawn.
      split: `train`, `val`, `test` or `all`.
      source: origin of its images, in the terms of the data set.
      layout: the layout that was recognised.
      notes: remarks of the data set's reader.
      counts: class → number of images.
      ids: names of the images.
      identity: sha256 of the images' names, labels and contents.
    """

    name: str
    dataset: str
    data_dir: str | None
    split: str
    source: str
    layout: str
    notes: tuple[str, ...]
    counts: dict[str, int]
    ids: tuple[str, ...]
    identity: str

    def __len__(self) -> int:
        return len(self.ids)


def load_columns(config: MatrixConfig) -> tuple[list[Column], list[str]]:
    """Returns the data sets that can be judged, and a problem for each that cannot.

    The headers of all images are read; if unreadable images are skipped, all pixels are read.
    """
    columns: list[Column] = []
    problems: list[str] = []
    for argument in config.data:
        try:
            column = _load(*_parse(argument), config.on_bad_image)
            if any(column.identity == other.identity for other in columns):
                raise UserError(f"--data={argument} is named twice. Each split is one column.")
            columns.append(column)
        except UserError as error:
            problems.append(str(error))
    return _with_names(columns), problems


def _parse(text: str) -> tuple[str, str | None, str | None]:
    """Returns data set, path and split of `NAME[:PATH[:SPLIT]]`."""
    name, _, rest = text.partition(":")
    path, colon, split = rest.rpartition(":")
    if not colon or split not in SPLITS:
        if colon and re.fullmatch("[a-z]+", split) and not Path(rest).exists():
            raise unknown_name(f"split in --data={text}:", split, SPLITS)
        path, split = rest, ""
    return name.strip(), os.path.expanduser(path) or None, split or None


def _load(name: str, path: str | None, split: str | None, on_bad_image: str) -> Column:
    """Returns a column; raises `UserError` for data that are missing or lack the split."""
    entry = find("dataset", name, DATASETS)
    location = data_path(name, path)
    bundle = load_dataset(name, location, val_fraction=0, on_bad_image=on_bad_image)
    official_splits = [
        part for part in ("test", "val") if part in bundle.splits and entry.official_splits
    ]
    chosen = split or (official_splits[0] if official_splits else ALL)
    if chosen != ALL and chosen not in bundle.splits:
        raise UserError(
            f"--data={name}: no {chosen} there, only {', '.join(bundle.splits)}. Name one of them,"
            f" or {ALL}."
        )
    images = (
        join_splits(list(bundle.splits.values()), ALL) if chosen == ALL else bundle.splits[chosen]
    )
    record = record_splits(name, bundle.classes, {chosen: images}, {}).splits[chosen]
    return Column(
        f"{name} {chosen}",
        name,
        None if location is None else str(location),
        chosen,
        _source(bundle, chosen),
        bundle.layout,
        bundle.notes,
        counts_by_class(images.labels, bundle.classes),
        tuple(map(printable, images.ids)),
        record.digest,
    )


def _source(bundle: DatasetBundle, split: str) -> str:
    if split != ALL:
        return bundle.sources[split]
    counts = [f"{name} {len(part):,}" for name, part in bundle.splits.items()]
    return f"all images ({', '.join(counts)})"


def _with_names(columns: Sequence[Column]) -> list[Column]:
    """Returns the columns with unique names; a column of `folder` data is named by its folder."""
    names = [
        f"{Path(column.data_dir or '').name} {column.split}"
        if column.dataset == "folder"
        else column.name
        for column in columns
    ]
    named = []
    for number, column in enumerate(columns):
        name, repetitions = names[number], names[:number].count(names[number])
        values = {**vars(column), "name": f"{name} ({repetitions + 1})" if repetitions else name}
        named.append(Column(**values))
    return named
