"""Data set of the suite `growth`: any number of images, which repeat 64 drawn faces."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.registry import register_dataset
from ferjax.data.splits.compact_names import Names
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.splits.stratified_cut import hold_out
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError

DATASET = "growth_faces"
SHAPE = (48, 48, 1)
CLASSES = EMOTIONS[:7]
_DRAWN = 64
_LABELS, _NAMES, _FACES = "labels.npy", "names.txt", "faces.npy"
_NAME_BYTES = 16
# Disk space of an image: its pixels in a store, and its rows in the tables of a run.
_DISK_BYTES = int(np.prod(SHAPE)) + 256


def write_faces(folder: Path, count: int) -> None:
    """Writes the labels and names of `count` images, and the pixels of the drawn faces only.

    Args:
      folder: the folder to create.
      count: number of images.
    """
    folder.mkdir(parents=True)
    drawn = np.arange(_DRAWN) % len(CLASSES)
    np.save(folder / _FACES, render_faces(drawn, np.arange(_DRAWN), SHAPE[0])[..., 1:2])
    np.save(folder / _LABELS, drawn[np.arange(count) % _DRAWN].astype(np.int32))
    names = (b"%012d.png" % number for number in range(count))
    (folder / _NAMES).write_bytes(b"".join(names))


def load_faces(
    folder: Path, *, val_fraction: float = 0.1, split_seed: int = 0, **_: Any
) -> DatasetBundle:
    """Returns the data set that `write_faces` wrote; this is a loader for `register_dataset`."""
    faces, labels = np.load(folder / _FACES), np.load(folder / _LABELS)
    count = len(labels)
    text = (folder / _NAMES).read_bytes()
    starts = np.arange(count, dtype=np.uint32) * np.uint32(_NAME_BYTES)
    names = Names(text, starts, np.full(count, _NAME_BYTES, np.uint16))

    def read(rows: np.ndarray) -> np.ndarray:
        return faces[np.asarray(rows) % _DRAWN]

    pool = Split("train", labels, names, SHAPE, read, originals=read)
    train, val = hold_out(pool, val_fraction, split_seed)
    layout = f"{_DRAWN} drawn faces, repeated"
    sources = {"train": layout, "val": layout}
    return DatasetBundle({"train": train, "val": val}, CLASSES, layout, sources)


def register_faces() -> None:
    """Registers `DATASET` in this process."""
    register_dataset(DATASET, load_faces)


def check_disk_space(folder: Path, counts: Sequence[int]) -> None:
    """Raises `UserError` if a folder has no space for all data sets of these sizes together."""
    needed, free = _DISK_BYTES * sum(counts), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"--suite=growth: data sets of up to {max(counts):,} images need"
            f" {_gigabytes(needed)} GB in {folder}, and {_gigabytes(free)} GB are free. Set TMPDIR"
            " to a folder with more space, or add --quick."
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f}"
