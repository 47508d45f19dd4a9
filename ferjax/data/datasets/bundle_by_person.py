"""Makes the bundle of a posed data set without official splits: ten folds by person."""

from dataclasses import replace

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.splits.folds import describe_folds, fold_splits
from ferjax.data.splits.split import DatasetBundle, Split

FOLDS = 10


def bundle_by_person(
    dataset: str,
    pool: Split,
    classes: tuple[str, ...],
    *,
    layout: str,
    where: str,
    val_fraction: float,
    split_seed: int,
    fold: int,
    folds: int | None,
    notes: tuple[str, ...],
    crops: str,
) -> DatasetBundle:
    """Returns `train`, `val` and `test` of one fold, by the rule of CK+ (`fold_splits`).

    No person is in two splits. If the data are only evaluated (`val_fraction` 0), all images are
    `test`.

    Args:
      dataset: title of the data set, for the note.
      pool: all images, with `subjects`.
      classes: the class list that the labels index.
      layout: description of the layout that was recognised.
      where: the folder, for messages.
      val_fraction: share of all images that is val, at most one fold.
      split_seed: not used: the ids of the people determine the folds.
      fold: 1 to `folds`.
      folds: 2 or more; None: 10.
      notes: earlier remarks.
      crops: how the faces were cropped, and by whom.

    Raises:
      UserError: `fold`, `folds` or `val_fraction` is out of range.
    """
    people = len(np.unique(pool.subjects)) if pool.subjects is not None else 0
    cut_notes = ()
    if val_fraction == 0:
        splits, roles = {"all images": replace(pool, name="test")}, {"all images": "test"}
        notes += (f"{people} people",)
    else:
        folds = folds or FOLDS
        parts = fold_splits(pool, fold, folds, val_fraction=val_fraction)
        source_of = describe_folds(parts, fold, folds)
        splits = {source_of[role]: part for role, part in parts.items()}
        roles = {name: role for role, name in source_of.items()}
        cut_notes = (
            f"{dataset} has no official splits: {folds} folds by person (sorted ids in steps of "
            f"{folds}), {people} people; nobody is in two splits. --folds judges every fold once",
        )
    return assemble(
        f"{dataset}, one fold",  # no published counts: they were checked before the folds
        splits,
        roles,
        classes,
        layout=layout,
        where=where,
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
        cut_notes=cut_notes,
        crops=crops,
    )
