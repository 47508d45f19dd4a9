"""From what a reader found on disk to a bundle with `train`, `val` and, where there, `test`."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ferjax.data.datasets.check_counts import check_counts
from ferjax.data.datasets.published_counts import PUBLISHED
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.splits.stratified_cut import hold_out
from ferjax.errors import UserError


def assemble(
    dataset: str,
    found: Mapping[str, Split],
    roles: Mapping[str, str],
    classes: tuple[str, ...],
    *,
    layout: str,
    where: str,
    val_fraction: float,
    split_seed: int,
    notes: tuple[str, ...] = (),
    crops: str = "as released",
) -> DatasetBundle:
    """Returns the bundle of a data set whose splits are known by the data set's own names.

    Class counts are checked where they are published. Where no split has the role `val`, a
    stratified share of train becomes it; where none has the role `test`, a note says so.

    Args:
      dataset: the data set's name, as in `PUBLISHED`.
      found: own name → split; `a+b` names two that cannot be told apart. Empty ones do not count.
      roles: own name → `train`, `val` or `test`, for all the names the data set has; of two with
        one role, messages use the first.
      classes: the class list that the labels index.
      layout: the layout that was recognised, in words.
      where: the file or folder, for messages.
      val_fraction: share of train to hold out where the data set has no validation split here.
      split_seed: seed of that cut.
      notes: remarks of the reader, put first.
      crops: who cut the faces out, and how.

    Raises:
      UserError: no training images, labels that look permuted, or a bad fraction or seed.
    """
    found = {own: split for own, split in found.items() if len(split)}
    own_names = {roles[own]: own for own in found}
    if "train" not in own_names:
        raise UserError(
            f"{where}: no training images ({_first(roles, 'train')}), found "
            f"{', '.join(found) or 'nothing'}; get the whole data set"
        )
    if dataset in PUBLISHED:
        notes += check_counts(dataset, {own: _counts(found[own], classes) for own in found}, where)
    splits = {role: replace(found[own], name=role) for role, own in own_names.items()}
    sources = dict(own_names)
    if "val" not in splits:
        train = own_names["train"]
        splits["train"], splits["val"] = hold_out(splits["train"], val_fraction, split_seed)
        sources["train"] = f"{train} without the validation cut"
        sources["val"] = f"stratified {val_fraction:.4g} of {train} (split seed {split_seed})"
        if "val" in roles.values():
            notes += (f"no validation split on disk: val is a {sources['val']}",)
    if "test" not in splits:
        notes += (f"no test split: {_first(roles, 'test')} is not on disk",)
    order = [role for role in ("train", "val", "test") if role in splits]
    return DatasetBundle(
        {role: splits[role] for role in order},
        classes,
        layout,
        {role: sources[role] for role in order},
        tuple(notes),
        crops,
    )


def _first(roles: Mapping[str, str], wanted: str) -> str:
    """Returns the data set's own name for the role `wanted`."""
    return next(own for own, role in roles.items() if role == wanted)


def _counts(split: Split, classes: tuple[str, ...]) -> dict[str, int]:
    """Returns class name → number of images."""
    counts = np.bincount(split.labels, minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True))
