"""The splits that a run recorded, found again in its data set, which may have changed since."""

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

    It is for the run's own report. Images are found by name and content, else by content, else by
    name; notes count those that are gone and those that have another label or content now.

    Raises:
      UserError: no image of a split of the run is there any more.
    """
    places: dict[Hashable, _Place] = {}
    for name, split in bundle.splits.items():
        for position, key in enumerate(_keys(split.ids, fingerprints(split))):
            for found_by in _found_by(name, *key):
                places.setdefault(found_by, (name, position))
    splits, notes, used = {}, [], set()
    for name, part in record.splits.items():
        rows, found = [], []
        for row, key in enumerate(_keys(part.ids, part.contents)):
            place = next((places[k] for k in _found_by(name, *key) if k in places), None)
            if place is not None:
                rows.append(row)
                found.append(place)
        if not rows:
            raise UserError(
                f"none of the {len(part):,} {name} images of the run is in the data any more (first"
                f" {part.ids[0]}). Give the data as they were; --split and --data_dir judge others."
            )
        ids = tuple(part.ids[row] for row in rows)
        kept = RecordedSplit(
            ids, part.labels[rows], part.contents[rows], part.targets[rows], part.source
        )
        split = _gather(bundle, found, name)
        used |= set(found)
        notes += _changes(name, len(part), kept, record.classes, split, bundle.classes)
        # Labels are those that the run learned; its class list may be another one now.
        splits[name] = replace(split, labels=kept.labels)
    if unused := sum(map(len, bundle.splits.values())) - len(used):
        notes.append(
            f"{unused:,} images of the data are in no split of the run (added since, or left out by"
            " --limit): they are not judged here"
        )
    sources = {name: part.source for name, part in record.splits.items()}
    notes = (*bundle.notes, *notes)
    return replace(bundle, splits=splits, classes=record.classes, sources=sources, notes=notes)


def recorded_split(
    record: SplitRecord, bundle: DatasetBundle, name: str, *, is_own: bool
) -> tuple[DatasetBundle, tuple[str, ...]]:
    """Returns the bundle with a split as a run recorded it if it is cut anew now, and notes.

    A split is cut anew where it holds images that the run recorded in another split, or where
    others hold images that it recorded in this one: train and val after images were added, the
    test part of cross-validation. A split of its own on disk is returned as it is now, even if it
    has grown. Images are the same if name and content are; at the run's own place also if the name
    alone is, since they may have been written anew.

    Args:
      record: of the run.
      bundle: the data as they are now.
      name: a split, which need not be one of the bundle.
      is_own: whether the data lie where the run's data lay.
    """
    part = record.splits.get(name)
    if part is None:
        return bundle, ()
    keys = {where: _keys(split.ids, fingerprints(split)) for where, split in bundle.splits.items()}
    wanted, now = _keys(part.ids, part.contents), keys.get(name, [])
    if wanted == now:
        return bundle, ()
    # A reader of the user's own may number the images of each split from 0.
    names = [image for split in bundle.splits.values() for image in split.ids]
    by_name = is_own and len(names) == len(set(names))
    rows = ((where, position, key) for where in keys for position, key in enumerate(keys[where]))
    place = _index((((where, position), key) for where, position, key in rows), by_name)
    recorded = ((w, key) for w, of in record.splits.items() for key in _keys(of.ids, of.contents))
    recorded_in = _index(recorded, by_name)
    places = ((key, _look_up(place, key, by_name)) for key in wanted)
    found = {key: there for key, there in places if there is not None}
    if not found:
        lost = f"none of the {len(part):,} {name} images that the run recorded is there any more"
        unsure = f"{lost}: whether it learned from those judged is not known"
        return bundle, ((unsure,) if is_own else ())
    changed = sum(keys[where][position] != key for key, (where, position) in found.items())
    notes = [f"{changed:,} {name} images have other content now than in the run"] * bool(changed)
    moved_out = any(where != name for where, _ in found.values())
    moved_in = any(_look_up(recorded_in, key, by_name) not in (None, name) for key in now)
    if not (moved_out or moved_in):
        return bundle, tuple(notes)
    split = _gather(bundle, [*found.values()], name)
    notes = [
        f"judged is the {name} that the run recorded, {len(split):,} images; the data as they are"
        " now would be cut otherwise",
        *_gone(name, len(part), len(found)),
        *notes,
    ]
    sources = {**bundle.sources, name: f"{part.source}, as recorded by the run"}
    splits = {**bundle.splits, name: split}
    return replace(bundle, splits=splits, sources=sources), tuple(notes)


def _identities(key: _Key, by_name: bool) -> tuple[Hashable, ...]:
    """Returns what makes two images the same, the surest first."""
    return (key, key[0]) if by_name else (key,)


def _index(rows: Iterable[tuple[_Value, _Key]], by_name: bool) -> dict[Hashable, _Value]:
    """Returns the value of each image by all that makes an image the same."""
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
    sources = list(dict.fromkeys(where for where, _ in places))
    parts = [bundle.splits[where] for where in sources]
    starts = dict(zip(sources, np.cumsum([0, *map(len, parts)]).tolist(), strict=False))
    positions = np.array([starts[where] + position for where, position in places])
    pool = parts[0] if len(parts) == 1 else join_splits(parts, name)
    if len(pool) == len(positions) and (positions == np.arange(len(pool))).all():
        return replace(pool, name=name)
    return subset(pool, positions, name)


def _found_by(name: str, image: str, content: int) -> list[Hashable]:
    """Returns what an image of the split `name` is found by, the surest first."""
    known = [content] if content else []
    return [(name, image, content), *known, (name, image), image]


def _keys(ids: Sequence[str], contents: np.ndarray) -> list[_Key]:
    return list(zip(ids, contents.tolist(), strict=True))


def _gone(name: str, recorded: int, found: int) -> list[str]:
    if found == recorded:
        return []
    return [f"{recorded - found:,} of the {recorded:,} {name} images of the run are gone"]


def _changes(
    name: str,
    recorded: int,
    kept: RecordedSplit,
    classes: Sequence[str],
    split: Split,
    classes_now: Sequence[str],
) -> list[str]:
    """Returns notes on images of a split that are gone, relabelled or overwritten."""
    notes = _gone(name, recorded, len(kept))
    then, now = (np.array(names)[labels] for names, labels in
                 ((classes, kept.labels), (classes_now, split.labels)))  # fmt: skip
    if relabelled := int((then != now).sum()):
        notes.append(
            f"{relabelled:,} {name} images have another label now; judged by the run's own"
        )
    contents = fingerprints(split)
    known = (contents > 0) & (kept.contents > 0)
    if changed := int((known & (contents != kept.contents)).sum()):
        notes.append(f"{changed:,} {name} images have other content now than in the run")
    return notes
