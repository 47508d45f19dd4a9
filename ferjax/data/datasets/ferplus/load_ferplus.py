"""Loads FER+: the images of FER2013 with ten votes each, in eight classes.

References:
  Barsoum et al., ICMI 2016, https://arxiv.org/abs/1608.01041 and
  https://github.com/microsoft/FERPlus (both of its layouts are read).
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.datasets.ferplus.vote_files import FOLDERS, VotedImages, find_votes
from ferjax.data.datasets.ferplus.votes_to_labels import ARGMAX, CLASSES, vote_labels
from ferjax.data.reading.pixel_csv import SIDE
from ferjax.data.splits.refold_splits import refold
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.errors import UserError

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
    argmax_of: tuple[str, ...] = (),
    fold: int = 1,
    folds: int | None = None,
) -> DatasetBundle:
    """Loads FER+: train = FER2013Train, val = FER2013Valid, test = FER2013Test.

    Images without a label by the rule are left out. val and test always use the majority rule,
    except with a protocol that does not follow the release (`argmax_of`). If FER2013Test is not on
    disk, there is no test split, and a note says so. Every split has its `votes`.

    Args:
      data_dir: the folder of either layout.
      storage_size: side that images of different sizes are resized to (PNG files only).
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of train that becomes val if FER2013Valid is not on disk.
      split_seed: seed of that cut.
      labels: the rule of the training labels: `majority`, `probability`, `crossentropy` or
        `multi_target`. All but the first give the training split `targets` float32 [N, 8].
      argmax_of: names among `train`, `val` and `test`. The labels of these splits are the highest
        of the ten columns instead, also without a majority (`votes_to_labels.ARGMAX`).
      fold: 1 to `folds`.
      folds: number of folds of FER2013Train and FER2013Valid that replace the splits (`refold`).
        None: the splits of the data set.

    Raises:
      UserError: no known layout, a broken row or file, an unknown rule, or two rules for train.
    """
    if "train" in argmax_of and labels != "majority":
        raise UserError(
            f"--labels={labels} with a --protocol that labels train by the highest of the ten"
            " columns: leave one of the two out, or take a recipe without --labels."
        )
    voted = find_votes(Path(data_dir), storage_size, on_bad_image, LAYOUTS, SOURCE)
    majority = {folder: _labelled(voted, folder, "majority") for folder in FOLDERS.values()}
    # Folds train on images of FER2013Valid too.
    training_folders = ("FER2013Train", "FER2013Valid") if folds else ("FER2013Train",)
    splits = {
        **majority,
        **{folder: _labelled(voted, folder, labels) for folder in training_folders},
    }
    roles = {"FER2013Train": "train", "FER2013Valid": "val", "FER2013Test": "test"}
    argmax_folders = [folder for folder, role in roles.items() if role in argmax_of]
    splits |= {folder: _labelled(voted, folder, ARGMAX) for folder in argmax_folders}
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
    if folds:
        bundle = refold(bundle, fold, folds, val_fraction=val_fraction, seed=split_seed)
    evaluated = {
        name: _with_majority_labels(split, majority.values())
        for name, split in bundle.splits.items()
        if name != "train" and split.targets is not None
    }
    return replace(bundle, splits={**bundle.splits, **evaluated})


def _labelled(voted: VotedImages, folder: str, mode: str) -> Split:
    """Returns the images of one folder that have a label by the rule `mode`."""
    part = subset(voted.split, np.flatnonzero(voted.folders == folder), folder)
    votes = voted.votes[voted.folders == folder]
    kept, labels, targets = vote_labels(votes, mode)
    targets = None if mode in ("majority", ARGMAX) else targets
    part = replace(part, labels=labels, targets=targets, votes=votes)
    return subset(part, np.flatnonzero(kept))


def _with_majority_labels(soft: Split, majority: Iterable[Split]) -> Split:
    """Returns the images of `soft` that have a majority label, with this label and no targets."""
    majority_label_of = {
        name: label
        for split in majority
        for name, label in zip(split.ids, split.labels.tolist(), strict=True)
    }
    part = subset(soft, np.flatnonzero([name in majority_label_of for name in soft.ids]))
    hard_labels = np.array([majority_label_of[name] for name in part.ids], np.int32)
    return replace(part, labels=hard_labels, targets=None)


def _count_classes(split: Split) -> dict[str, int]:
    """Returns class name → number of images."""
    return dict(zip(CLASSES, np.bincount(split.labels, minlength=8).tolist(), strict=True))
