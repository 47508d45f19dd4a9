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
    """A column.

    Attributes:
      name: of the column; no two columns have the same.
      dataset: name of the data set.
      data_dir: its folder or file; None for one that is drawn.
      split: `train`, `val`, `test` or `all`.
      source: where its images come from, in the terms of the data set.
      layout: the layout that was recognised.
      notes: remarks of the reader.
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

    The headers of all images are read, and where unreadable ones are skipped all pixels.
    """
    found: list[Column] = []
    problems: list[str] = []
    for text in config.data:
        try:
            column = _load(*_parts(text), config.on_bad_image)
            if any(column.identity == other.identity for other in found):
                raise UserError(f"--data={text} is named twice. Each split is one column.")
            found.append(column)
        except UserError as error:
            problems.append(str(error))
    return _with_names(found), problems


def _parts(text: str) -> tuple[str, str | None, str | None]:
    """Returns data set, path and split of `NAME[:PATH[:SPLIT]]`."""
    name, _, rest = text.partition(":")
    path, colon, split = rest.rpartition(":")
    if not colon or split not in SPLITS:
        if colon and re.fullmatch("[a-z]+", split) and not Path(rest).exists():
            raise unknown_name(f"split in --data={text}:", split, SPLITS)
        path, split = rest, ""
    return name.strip(), os.path.expanduser(path) or None, split or None


def _load(name: str, path: str | None, split: str | None, on_bad_image: str) -> Column:
    """Returns a column; `UserError` for data that are not there, or lack the split."""
    entry = find("dataset", name, DATASETS)
    place = data_path(name, path)
    bundle = load_dataset(name, place, val_fraction=0, on_bad_image=on_bad_image)
    official = [part for part in ("test", "val") if part in bundle.splits and entry.official_splits]
    wanted = split or (official[0] if official else ALL)
    if wanted != ALL and wanted not in bundle.splits:
        raise UserError(
            f"--data={name}: no {wanted} there, only {', '.join(bundle.splits)}. Name one of them,"
            f" or {ALL}."
        )
    images = (
        join_splits(list(bundle.splits.values()), ALL) if wanted == ALL else bundle.splits[wanted]
    )
    record = record_splits(name, bundle.classes, {wanted: images}, {}).splits[wanted]
    return Column(
        f"{name} {wanted}",
        name,
        None if place is None else str(place),
        wanted,
        _source(bundle, wanted),
        bundle.layout,
        bundle.notes,
        counts_by_class(images.labels, bundle.classes),
        tuple(map(printable, images.ids)),
        record.digest,
    )


def _source(bundle: DatasetBundle, split: str) -> str:
    if split != ALL:
        return bundle.sources[split]
    parts = [f"{name} {len(part):,}" for name, part in bundle.splits.items()]
    return f"all images ({', '.join(parts)})"


def _with_names(columns: Sequence[Column]) -> list[Column]:
    """Returns the columns with names that differ: folders have that of their folder in theirs."""
    names = [
        f"{Path(column.data_dir or '').name} {column.split}"
        if column.dataset == "folder"
        else column.name
        for column in columns
    ]
    named = []
    for number, column in enumerate(columns):
        name, earlier = names[number], names[:number].count(names[number])
        values = {**vars(column), "name": f"{name} ({earlier + 1})" if earlier else name}
        named.append(Column(**values))
    return named
