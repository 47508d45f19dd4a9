"""Finds the splits that a run recorded in its data set, which may have changed since then."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ferjax.data.splits.split import DatasetBundle, Split, join_splits, subset
from ferjax.data.splits.split_record import RecordedSplit, SplitRecord
from ferjax.data.splits.stored_contents import fingerprints
from ferjax.errors import UserError

# Split name and position of an image.
_Place = tuple[str, int]
# Name and content of an image.
_Key = tuple[str, int]
_Value = TypeVar("_Value")


def as_recorded(record: SplitRecord, bundle: DatasetBundle) -> DatasetBundle:
    """Returns the bundle with the splits and the class list that a run recorded.

    The run's own report uses it. Images are found by name and content, else by content, else by
    name. Notes count the images that are gone, and the images that now have another label or
    content.

    Raises:
      UserError: all images of a split of the run are gone.
    """
    places: dict[Hashable, _Place] = {}
    for name, split in bundle.splits.items():
        for position, key in enumerate(_keys(split.ids, fingerprints(split))):
            for search_key in _search_keys(name, *key):
                places.setdefault(search_key, (name, position))
    splits, notes, used_places = {}, [], set()
    for name, recorded in record.splits.items():
        rows, found_places = [], []
        for row, key in enumerate(_keys(recorded.ids, recorded.contents)):
            place = next((places[k] for k in _search_keys(name, *key) if k in places), None)
            if place is not None:
                rows.append(row)
                found_places.append(place)
        if not rows:
            raise UserError(
                f"none of the {len(recorded):,} {name} images of the run is in the data any more"
                f" (first {recorded.ids[0]}). Give the data as they were; --split and --data_dir"
                " judge others."
            )
        ids = tuple(recorded.ids[row] for row in rows)
        remaining = RecordedSplit(
            ids,
            recorded.labels[rows],
            recorded.contents[rows],
            recorded.targets[rows],
            recorded.source,
        )
        split = _gather(bundle, found_places, name)
        used_places |= set(found_places)
        notes += _changes(name, len(recorded), remaining, record.classes, split, bundle.classes)
        # Keeps the labels that the run learned; the class list of the data may have changed.
        splits[name] = replace(split, labels=remaining.labels)
    if unused := sum(map(len, bundle.splits.values())) - len(used_places):
        notes.append(
            f"{unused:,} images of the data are in no split of the run (added since, or left out by"
            " --limit): they are not judged here"
        )
    sources = {name: recorded.source for name, recorded in record.splits.items()}
    notes = (*bundle.notes, *notes)
    return replace(bundle, splits=splits, classes=record.classes, sources=sources, notes=notes)


def recorded_split(
    record: SplitRecord, bundle: DatasetBundle, name: str, *, is_own: bool
) -> tuple[DatasetBundle, tuple[str, ...]]:
    """Returns the bundle, with the recorded split if the data are cut differently now; and notes.

    The cut is different if the split now holds images that the run recorded in another split, or if
    another split holds images that the run recorded in this one. Examples are train and val after
    images were added, and the test part of cross-validation. A split with files of its own on disk
    is returned as it is now, even if it has grown. Two images are the same if name and content are
    equal. In the run's own data folder equal names are enough, because files may be rewritten.

    Args:
      record: the record of the run.
      bundle: the data as they are now.
      name: name of a split; the bundle need not have it.
      is_own: whether the data are in the same place as the run's data.
    """
    recorded = record.splits.get(name)
    if recorded is None:
        return bundle, ()
    keys = {
        split_name: _keys(split.ids, fingerprints(split))
        for split_name, split in bundle.splits.items()
    }
    recorded_keys, current_keys = _keys(recorded.ids, recorded.contents), keys.get(name, [])
    if recorded_keys == current_keys:
        return bundle, ()
    # A reader of the user's own may number the images of each split from 0.
    names = [image for split in bundle.splits.values() for image in split.ids]
    by_name = is_own and len(names) == len(set(names))
    current_rows = (
        ((split_name, position), key)
        for split_name, split_keys in keys.items()
        for position, key in enumerate(split_keys)
    )
    place_of = _index(current_rows, by_name)
    recorded_rows = (
        (split_name, key)
        for split_name, split in record.splits.items()
        for key in _keys(split.ids, split.contents)
    )
    recorded_split_of = _index(recorded_rows, by_name)
    places = ((key, _look_up(place_of, key, by_name)) for key in recorded_keys)
    found_places = {key: place for key, place in places if place is not None}
    if not found_places:
        lost = (
            f"none of the {len(recorded):,} {name} images that the run recorded is there any more"
        )
        warning = f"{lost}: whether it learned from those judged is not known"
        return bundle, ((warning,) if is_own else ())
    changed = sum(
        keys[split_name][position] != key for key, (split_name, position) in found_places.items()
    )
    notes = [f"{changed:,} {name} images have other content now than in the run"] * bool(changed)
    moved_out = any(split_name != name for split_name, _ in found_places.values())
    moved_in = any(
        _look_up(recorded_split_of, key, by_name) not in (None, name) for key in current_keys
    )
    if not (moved_out or moved_in):
        return bundle, tuple(notes)
    split = _gather(bundle, [*found_places.values()], name)
    notes = [
        f"judged is the {name} that the run recorded, {len(split):,} images; the data as they are"
        " now would be cut otherwise",
        *_gone(name, len(recorded), len(found_places)),
        *notes,
    ]
    sources = {**bundle.sources, name: f"{recorded.source}, as recorded by the run"}
    splits = {**bundle.splits, name: split}
    return replace(bundle, splits=splits, sources=sources), tuple(notes)


def _identities(key: _Key, by_name: bool) -> tuple[Hashable, ...]:
    """Returns the keys that identify an image, the most reliable first."""
    return (key, key[0]) if by_name else (key,)


def _index(rows: Iterable[tuple[_Value, _Key]], by_name: bool) -> dict[Hashable, _Value]:
    """Returns identity (`_identities`) → value of the first image with this identity."""
    values: dict[Hashable, _Value] = {}
    for value, key in rows:
        for identity in _identities(key, by_name):
            values.setdefault(identity, value)
    return values


def _look_up(values: Mapping[Hashable, _Value], key: _Key, by_name: bool) -> _Value | None:
    """Returns the value of an image in an `_index`, or None."""
    return next((values[i] for i in _identities(key, by_name) if i in values), None)


def _gather(bundle: DatasetBundle, places: Sequence[_Place], name: str) -> Split:
    """Returns the images at these places, in this order, as the split `name`."""
    split_names = list(dict.fromkeys(split_name for split_name, _ in places))
    parts = [bundle.splits[split_name] for split_name in split_names]
    starts = dict(zip(split_names, np.cumsum([0, *map(len, parts)]).tolist(), strict=False))
    positions = np.array([starts[split_name] + position for split_name, position in places])
    pool = parts[0] if len(parts) == 1 else join_splits(parts, name)
    if len(pool) == len(positions) and (positions == np.arange(len(pool))).all():
        return replace(pool, name=name)
    return subset(pool, positions, name)


def _search_keys(name: str, image: str, content: int) -> list[Hashable]:
    """Returns the keys by which an image of the split `name` is found, the most reliable first."""
    content_keys = [content] if content else []
    return [(name, image, content), *content_keys, (name, image), image]


def _keys(ids: Sequence[str], contents: np.ndarray) -> list[_Key]:
    """Returns (name, content) of each image."""
    return list(zip(ids, contents.tolist(), strict=True))


def _gone(name: str, recorded_count: int, found_count: int) -> list[str]:
    """Returns a note on the images of a split that are gone, or no note."""
    if found_count == recorded_count:
        return []
    gone_count = recorded_count - found_count
    return [f"{gone_count:,} of the {recorded_count:,} {name} images of the run are gone"]


def _changes(
    name: str,
    recorded_count: int,
    remaining: RecordedSplit,
    classes: Sequence[str],
    split: Split,
    classes_now: Sequence[str],
) -> list[str]:
    """Returns notes on images of a split that are gone, relabelled or overwritten."""
    notes = _gone(name, recorded_count, len(remaining))
    recorded_emotions = np.array(classes)[remaining.labels]
    current_emotions = np.array(classes_now)[split.labels]
    if relabelled := int((recorded_emotions != current_emotions).sum()):
        notes.append(
            f"{relabelled:,} {name} images have another label now; judged by the run's own"
        )
    contents = fingerprints(split)
    both_known = (contents > 0) & (remaining.contents > 0)
    if changed := int((both_known & (contents != remaining.contents)).sum()):
        notes.append(f"{changed:,} {name} images have other content now than in the run")
    return notes
