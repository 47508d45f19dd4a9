"""What every reader returns: splits that read uint8 batches, and the bundle they form."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np


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
    """

    name: str
    labels: np.ndarray
    ids: tuple[str, ...]
    shape: tuple[int, int, int]
    read: Callable[[np.ndarray], np.ndarray]

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


def subset(split: Split, positions: np.ndarray, name: str | None = None) -> Split:
    """Returns the images of `split` at int positions [M], in that order, as their own split."""
    positions = np.asarray(positions)
    return replace(
        split,
        name=name or split.name,
        labels=split.labels[positions],
        ids=tuple(split.ids[i] for i in positions),
        read=lambda indices: split.read(positions[np.asarray(indices)]),
    )
