"""Loads FER+: the images of FER2013 with ten votes each, in eight classes.

References:
  Barsoum et al., ICMI 2016, https://arxiv.org/abs/1608.01041 and
  https://github.com/microsoft/FERPlus (both of its layouts are read).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.datasets.ferplus.vote_files import FOLDERS, VotedImages, find_votes
from ferjax.data.datasets.ferplus.votes_to_labels import CLASSES, vote_labels
from ferjax.data.reading.pixel_csv import SIDE
from ferjax.data.splits.split import DatasetBundle, Split, subset

LAYOUTS = (
    "FER2013Train/, FER2013Valid/ and FER2013Test/, each with label.csv and its fer*.png (made by "
    "generate_training_data.py), also inside data/ or FERPlus/data/",
    "fer2013new.csv with fer2013.csv beside it, all 35,887 rows, also inside FERPlus/",
)
SOURCE = (
    "https://github.com/microsoft/FERPlus (the votes) and Kaggle's fer2013.csv (the faces, see "
    "fer2013)"
)


def load(
    data_dir: Path | str,
    *,
    storage_size: int = SIDE,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
    labels: str = "majority",
) -> DatasetBundle:
    """Loads FER+: train = FER2013Train, val = FER2013Valid, test = FER2013Test.

    Images without a label by the rule are left out. val and test always use the majority rule. If
    FER2013Test is not on disk, there is no test split but a note.

    Args:
      data_dir: the folder of either layout.
      storage_size: side that images of different sizes are resized to (PNG files only).
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of train that becomes val if FER2013Valid is not on disk.
      split_seed: seed of that cut.
      labels: the rule of the training labels: `majority`, `probability`, `crossentropy` or
        `multi_target`. All but the first give the training split `targets` float32 [N, 8].

    Raises:
      UserError: no known layout, a broken row or file, or an unknown rule.
    """
    voted = find_votes(Path(data_dir), storage_size, on_bad_image, LAYOUTS, SOURCE)
    majority = {folder: _labelled(voted, folder, "majority") for folder in FOLDERS.values()}
    splits = {**majority, "FER2013Train": _labelled(voted, "FER2013Train", labels)}
    roles = {"FER2013Train": "train", "FER2013Valid": "val", "FER2013Test": "test"}
    # The published counts are of majority labels, so they are checked here with every rule.
    counts = {folder: _count_classes(split) for folder, split in majority.items() if len(split)}
    bundle = assemble(
        f"ferplus {labels}",
        splits,
        roles,
        CLASSES,
        layout=voted.layout,
        where=voted.where,
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=(*voted.notes, *check_counts("ferplus", counts, voted.where)),
    )
    val = bundle.splits.get("val")
    if val is None or val.targets is None:
        return bundle
    val = _with_majority_labels(val, majority["FER2013Train"])
    return replace(bundle, splits={**bundle.splits, "val": val})


def _labelled(voted: VotedImages, folder: str, mode: str) -> Split:
    """Returns the images of one folder that have a label by the rule `mode`."""
    part = subset(voted.split, np.flatnonzero(voted.folders == folder), folder)
    kept, labels, targets = vote_labels(voted.votes[voted.folders == folder], mode)
    part = replace(part, labels=labels, targets=None if mode == "majority" else targets)
    return subset(part, np.flatnonzero(kept))


def _with_majority_labels(val: Split, majority: Split) -> Split:
    """Returns the images of `val`, cut from soft labels, that have a majority label, with it."""
    majority_label_of: Mapping[str, int] = dict(
        zip(majority.ids, majority.labels.tolist(), strict=True)
    )
    part = subset(val, np.flatnonzero([name in majority_label_of for name in val.ids]))
    hard_labels = np.array([majority_label_of[name] for name in part.ids], np.int32)
    return replace(part, labels=hard_labels, targets=None)


def _count_classes(split: Split) -> dict[str, int]:
    """Returns class name → number of images."""
    return dict(zip(CLASSES, np.bincount(split.labels, minlength=8).tolist(), strict=True))
