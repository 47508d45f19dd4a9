"""The types `Split` (labels, ids, a function that reads images) and `DatasetBundle`; subsets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ferjax.data.splits.compact_names import Names
from ferjax.errors import UserError


@dataclass(frozen=True)
class LazyRows:
    """Rows of arrays that are too large to copy; rows are read when they are indexed.

    Attributes:
      shape: shape of all rows, rows first.
      read: int [B] row numbers → float32 [B, ...].
    """

    shape: tuple[int, ...]
    read: Callable[[np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.read(rows)


# int [B] positions → the file, or the stored pixels, of each image.
Originals = Callable[[np.ndarray], Sequence[Path | np.ndarray] | np.ndarray]


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes:
      name: `train`, `val` or `test`.
      labels: int32 [N], indexes into the bundle's class list.
      ids: N names that identify the images to a user (relative path, or `file.csv:row`).
      shape: (H, W, C) of every image that `read` returns; C is 1 (grey) or 3 (RGB).
      read: int [B] positions in the split → uint8 [B, H, W, C], values 0 to 255; raises `UserError`
        naming the file of an image that cannot be read.
      targets: float32 [N, K] soft labels, or None if there are only hard labels.
      subjects: str [N], the subject (person) of each image, or None if they are not known.
      features: float32 [N, V, ...], output of a frozen branch for each image and, if V is 2, for
        its mirror image; indexed by int [B] positions. None if no features are stored.
      originals: int [B] positions → the stored form of each image: the path of its file, or uint8
        pixels if it is a row of a larger file or array. None if nothing is stored (drawn images) or
        the stored form is not known.
      votes: int [N, 10], how many people chose each of FER+'s columns (`votes_to_labels.COLUMNS`),
        or None if nobody voted. Evaluations compare a network with them; training does not read
        them.
    """

    name: str
    labels: np.ndarray
    ids: Sequence[str]
    shape: tuple[int, int, int]
    read: Callable[[np.ndarray], np.ndarray]
    targets: np.ndarray | None = None
    subjects: np.ndarray | None = None
    features: np.ndarray | LazyRows | None = None
    originals: Originals | None = None
    votes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DatasetBundle:
    """The splits of a data set, its class list, and remarks on both for reports.

    Attributes:
      splits: name → split; `train` and `val` always, `test` if its files are on disk. If the data
        are only evaluated: the splits that are on disk.
      classes: canonical emotion names, in canonical order.
      layout: description of the layout that was recognised on disk.
      sources: split name → where its images come from, in the terms of the data set.
      notes: remarks for the report (missing test split, counts that are not the published ones).
      cut_notes: the part of `notes` that holds for these splits only; folds drop it.
      crops: how the faces were cropped, and by whom.
      root: the folder that the ids of the images are relative to, or None if it is not known.
    """

    splits: dict[str, Split]
    classes: tuple[str, ...]
    layout: str
    sources: dict[str, str]
    notes: tuple[str, ...] = ()
    crops: str = "as released"
    cut_notes: tuple[str, ...] = ()
    root: Path | None = None


def join_splits(splits: Sequence[Split], name: str) -> Split:
    """Returns the images of several splits, one after the other, as one split.

    If only some splits have soft labels, the labels of the others become targets of 1 and 0.

    Raises:
      UserError: their images differ in size or channels.
    """
    if len({split.shape for split in splits}) > 1:
        sizes = ", ".join(f"{split.name} {split.shape}" for split in splits)
        raise UserError(f"splits of different image sizes cannot be joined: {sizes}")
    counts = [len(split) for split in splits]
    features = [split.features for split in splits if split.features is not None]
    originals = [split.originals for split in splits if split.originals is not None]

    def stacked(arrays: list[np.ndarray | None]) -> np.ndarray | None:
        present = [array for array in arrays if array is not None]
        return np.concatenate(present) if len(present) == len(splits) else None

    return Split(
        name,
        np.concatenate([split.labels for split in splits]),
        tuple(id for split in splits for id in split.ids),
        splits[0].shape,
        _concatenate_reads([split.read for split in splits], counts, splits[0].shape, np.uint8),
        _concatenate_targets(splits),
        stacked([split.subjects for split in splits]),
        _concatenate_features(features, counts) if len(features) == len(splits) else None,
        _concatenate_originals(originals, counts) if len(originals) == len(splits) else None,
        stacked([split.votes for split in splits]),
    )


def _concatenate_targets(splits: Sequence[Split]) -> np.ndarray | None:
    """Returns the soft labels of all splits one after the other; None if no split has any."""
    soft = [split.targets for split in splits if split.targets is not None]
    if not soft:
        return None
    one_hot = np.eye(soft[0].shape[1], dtype=np.float32)
    return np.concatenate([one_hot[s.labels] if s.targets is None else s.targets for s in splits])


def _concatenate_originals(parts: Sequence[Originals], counts: Sequence[int]) -> Originals:
    part_of = np.repeat(np.arange(len(parts)), counts)
    position = np.concatenate([np.arange(count) for count in counts])
    return lambda indices: [parts[part_of[i]](position[i : i + 1])[0] for i in map(int, indices)]


def _concatenate_features(
    parts: Sequence[np.ndarray | LazyRows], counts: Sequence[int]
) -> LazyRows:
    row_shape = parts[0].shape[1:]
    read = _concatenate_reads([part.__getitem__ for part in parts], counts, row_shape, np.float32)
    return LazyRows((sum(counts), *row_shape), read)


def _concatenate_reads(
    reads: Sequence[Callable[[np.ndarray], np.ndarray]],
    counts: Sequence[int],
    row_shape: tuple[int, ...],
    dtype: type,
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that reads rows of all parts; part i has `counts[i]` rows."""
    starts = np.cumsum([0, *counts])

    def read(indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        rows = np.empty((len(indices), *row_shape), dtype)
        for read_part, start, stop in zip(reads, starts, starts[1:], strict=False):
            in_part = (indices >= start) & (indices < stop)
            if in_part.any():
                rows[in_part] = read_part(indices[in_part] - start)
        return rows

    return read


def subset(split: Split, positions: np.ndarray, name: str | None = None) -> Split:
    """Returns the images of `split` at int positions [M], in that order, as a split."""
    positions, features, originals = np.asarray(positions), split.features, split.originals
    return replace(
        split,
        name=name or split.name,
        labels=split.labels[positions],
        ids=_take_ids(split.ids, positions),
        read=lambda indices: split.read(positions[np.asarray(indices)]),
        targets=None if split.targets is None else split.targets[positions],
        subjects=None if split.subjects is None else split.subjects[positions],
        features=None
        if features is None
        else LazyRows((len(positions), *features.shape[1:]), lambda i: features[positions[i]]),
        originals=None if originals is None else lambda i: originals(positions[np.asarray(i)]),
        votes=None if split.votes is None else split.votes[positions],
    )


def without_images(split: Split) -> Split:
    """Returns `split` with black images of one pixel, uint8 [B, 1, 1, 1]; nothing is decoded.

    It is for a network that reads the features of the split instead of its images.
    """
    return replace(
        split,
        shape=(1, 1, 1),
        read=lambda indices: np.zeros((len(indices), 1, 1, 1), np.uint8),
    )


def _take_ids(ids: Sequence[str], positions: np.ndarray) -> Sequence[str]:
    """Returns the ids at int positions [M], in that order."""
    # Names stay compact: a million of them are one block of bytes.
    if isinstance(ids, Names):
        return ids.take(positions)
    return tuple(ids[i] for i in map(int, positions))


def shared_subjects(a: Split, b: Split) -> int:
    """Returns the number of people that two splits share; 0 if people are not known."""
    if a.subjects is None or b.subjects is None:
        return 0
    return len(np.intersect1d(a.subjects, b.subjects))
