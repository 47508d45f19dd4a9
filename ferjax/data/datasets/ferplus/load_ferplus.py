"""FER+: FER2013's faces under the votes of ten people each, in eight classes.

References:
  Barsoum et al., ICMI 2016, https://arxiv.org/abs/1608.01041 and
  https://github.com/microsoft/FERPlus (both layouts read here).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble import assemble
from ferjax.data.datasets.check_counts import check_counts
from ferjax.data.datasets.ferplus.vote_files import FOLDERS, Voted, find_votes
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

    Faces without a label by the rule are left out. val and test follow the majority rule whatever
    train does. Where FER2013Test is not on disk there is no test split, and a note.

    Args:
      data_dir: the folder of either layout.
      storage_size: side that images of differing sizes are stored in (PNG files only).
      on_bad_image: `error`, or `skip`: files with broken headers are passed over.
      val_fraction: share of train that becomes val where FER2013Valid is not on disk.
      split_seed: seed of that cut.
      labels: the rule of the training labels: `majority`, `probability`, `crossentropy` or
        `multi_target`. All but the first give the training split `targets` float32 [N, 8].

    Raises:
      UserError: no known layout, a broken row or file, or an unknown rule.
    """
    voted = find_votes(Path(data_dir), storage_size, on_bad_image, LAYOUTS, SOURCE)
    majority = {own: _labelled(voted, own, "majority") for own in FOLDERS.values()}
    found = {**majority, "FER2013Train": _labelled(voted, "FER2013Train", labels)}
    roles = {"FER2013Train": "train", "FER2013Valid": "val", "FER2013Test": "test"}
    # The published counts are those of majority labels: checked here, in every mode.
    counts = {own: _counts(split) for own, split in majority.items() if len(split)}
    bundle = assemble(
        f"ferplus {labels}",
        found,
        roles,
        CLASSES,
        layout=voted.layout,
        where=voted.where,
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=(*voted.notes, *check_counts("ferplus", counts, voted.where)),
    )
    if bundle.splits["val"].targets is None:
        return bundle
    val = _hard(bundle.splits["val"], majority["FER2013Train"])
    return replace(bundle, splits={**bundle.splits, "val": val})


def _labelled(voted: Voted, own: str, mode: str) -> Split:
    """Returns the faces of one own split that have a label by the rule `mode`."""
    part = subset(voted.split, np.flatnonzero(voted.own == own), own)
    kept, labels, targets = vote_labels(voted.votes[voted.own == own], mode)
    part = replace(part, labels=labels, targets=None if mode == "majority" else targets)
    return subset(part, np.flatnonzero(kept))


def _hard(val: Split, majority: Split) -> Split:
    """Returns the faces of `val`, cut from soft labels, that have a majority label, under it."""
    known: Mapping[str, int] = dict(zip(majority.ids, majority.labels.tolist(), strict=True))
    part = subset(val, np.flatnonzero([name in known for name in val.ids]))
    hard = np.array([known[name] for name in part.ids], np.int32)
    return replace(part, labels=hard, targets=None)


def _counts(split: Split) -> dict[str, int]:
    """Returns class name → number of images."""
    return dict(zip(CLASSES, np.bincount(split.labels, minlength=8).tolist(), strict=True))
