"""What every reader returns: splits that read uint8 batches, and the bundle they form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ferjax.data.names import Names
from ferjax.errors import UserError


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes:
      name: `train`, `val` or `test`.
      labels: int32 [N], indexes into the bundle's class list.
      ids: N names a person can find the image by (relative path, or `file.csv:row`).
      shape: (H, W, C) of every image that `read` returns; C is 1 (grey) or 3 (RGB).
      read: int [B] positions in the split → uint8 [B, H, W, C], values 0 to 255; raises `UserError`
        naming the file of an image that cannot be read.
      targets: float32 [N, K] soft labels, or None where `labels` say all.
      subjects: str [N], the person of each image, or None where the data set does not tell.
    """

    name: str
    labels: np.ndarray
    ids: Sequence[str]
    shape: tuple[int, int, int]
    read: Callable[[np.ndarray], np.ndarray]
    targets: np.ndarray | None = None
    subjects: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DatasetBundle:
    """The splits of a data set, its class list, and what a report says about both.

    Attributes:
      splits: by name; `train` and `val` always, `test` where its files are on disk.
      classes: canonical emotion names, in canonical order.
      layout: the layout that was recognised on disk, in words.
      sources: for each split, where its images come from, in the data set's own words.
      notes: remarks for the report (missing test split, counts that are not the published ones).
      crops: who cut the faces out, and how.
    """

    splits: dict[str, Split]
    classes: tuple[str, ...]
    layout: str
    sources: dict[str, str]
    notes: tuple[str, ...] = ()
    crops: str = "as released"


def joined(splits: Sequence[Split], name: str) -> Split:
    """Returns the images of several splits, one after the other, as one split.

    Raises:
      UserError: they differ in size or channels.
    """
    if len({split.shape for split in splits}) > 1:
        sizes = ", ".join(f"{split.name} {split.shape}" for split in splits)
        raise UserError(f"splits of different image sizes cannot be cut anew: {sizes}")
    starts = np.cumsum([0, *(len(split) for split in splits)])

    def read(indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        images = np.empty((len(indices), *splits[0].shape), np.uint8)
        for split, start in zip(splits, starts, strict=False):
            own = (indices >= start) & (indices < start + len(split))
            if own.any():
                images[own] = split.read(indices[own] - start)
        return images

    def stacked(arrays: list[np.ndarray | None]) -> np.ndarray | None:
        whole = [array for array in arrays if array is not None]
        return np.concatenate(whole) if len(whole) == len(splits) else None

    return Split(
        name,
        np.concatenate([split.labels for split in splits]),
        tuple(id for split in splits for id in split.ids),
        splits[0].shape,
        read,
        stacked([split.targets for split in splits]),
        stacked([split.subjects for split in splits]),
    )


def subset(split: Split, positions: np.ndarray, name: str | None = None) -> Split:
    """Returns the images of `split` at int positions [M], in that order, as their own split."""
    positions = np.asarray(positions)
    return replace(
        split,
        name=name or split.name,
        labels=split.labels[positions],
        ids=_taken(split.ids, positions),
        read=lambda indices: split.read(positions[np.asarray(indices)]),
        targets=None if split.targets is None else split.targets[positions],
        subjects=None if split.subjects is None else split.subjects[positions],
    )


def _taken(ids: Sequence[str], positions: np.ndarray) -> Sequence[str]:
    # A million names stay in one block of bytes.
    if isinstance(ids, Names):
        return ids.take(positions)
    return tuple(ids[i] for i in map(int, positions))
