"""Makes a bundle with `train`, `val` and `test` from a data set's splits; cuts a missing val."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.splits.stratified_cut import hold_out
from ferjax.errors import UserError


def assemble(
    dataset: str,
    by_source: Mapping[str, Split],
    roles: Mapping[str, str],
    classes: tuple[str, ...],
    *,
    layout: str,
    where: str,
    val_fraction: float,
    split_seed: int,
    notes: tuple[str, ...] = (),
    cut_notes: tuple[str, ...] = (),
    crops: str = "as released",
) -> DatasetBundle:
    """Returns the bundle of a data set from splits with the data set's own split names.

    Class counts are checked if they are published. If no split has the role `val`, it is cut from
    train, stratified by class. If no split has the role `test`, a note says so. If the data are
    only evaluated (`val_fraction` 0), the bundle has the splits on disk: no split is cut, and no
    note reports a missing split.

    Args:
      dataset: the data set's name, as in `PUBLISHED`.
      by_source: original name → split. The name `a+b` stands for two splits that are merged. Empty
        splits are ignored.
      roles: original name → `train`, `val` or `test`, for all splits that the data set defines. If
        two have the same role, messages use the first.
      classes: the class list that the labels index.
      layout: description of the layout that was recognised.
      where: the folder that the ids are relative to, or the file in it; for messages too.
      val_fraction: share of train that is held out if there is no validation split; 0: the data
        are only evaluated.
      split_seed: seed of that cut.
      notes: earlier remarks; they come first.
      cut_notes: earlier remarks that hold for these splits only; they come next.
      crops: how the faces were cropped, and by whom.

    Raises:
      UserError: no (training) images, labels that look permuted, or a bad fraction or seed.
    """
    evaluation_only = val_fraction == 0
    by_source = {source: split for source, split in by_source.items() if len(split)}
    source_of = {roles[source]: source for source in by_source}
    if not source_of or (not evaluation_only and "train" not in source_of):
        raise UserError(
            f"{where}: no training images ({_source_with_role(roles, 'train')}), found "
            f"{', '.join(by_source) or 'nothing'}; get the whole data set"
        )
    if dataset in PUBLISHED:
        counted = {source: _count_classes(by_source[source], classes) for source in by_source}
        notes += check_counts(dataset, counted, where)
    splits = {role: replace(by_source[source], name=role) for role, source in source_of.items()}
    sources = dict(source_of)
    if "val" not in splits and not evaluation_only:
        train = source_of["train"]
        splits["train"], splits["val"] = hold_out(splits["train"], val_fraction, split_seed)
        sources["train"] = f"{train} without the validation cut"
        sources["val"] = f"stratified {val_fraction:.4g} of {train} (split seed {split_seed})"
        if "val" in roles.values():
            cut_notes += (f"no validation split on disk: val is a {sources['val']}",)
    if "test" not in splits and not evaluation_only:
        source = _source_with_role(roles, "test")
        cut_notes += ("no test split on disk" + f" ({source})" * (source != "test"),)
    order = [role for role in ("train", "val", "test") if role in splits]
    return DatasetBundle(
        {role: splits[role] for role in order},
        classes,
        layout,
        {role: sources[role] for role in order},
        (*notes, *cut_notes),
        crops,
        cut_notes,
        Path(where) if Path(where).is_dir() else Path(where).parent,
    )


def _source_with_role(roles: Mapping[str, str], role: str) -> str:
    """Returns the first original name with the role `role`."""
    return next(source for source, source_role in roles.items() if source_role == role)


def _count_classes(split: Split, classes: tuple[str, ...]) -> dict[str, int]:
    """Returns class name → number of images."""
    counts = np.bincount(split.labels, minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True))
