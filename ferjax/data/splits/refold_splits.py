"""Replaces the splits of a data set by cross-validation folds (`--folds`, `--fold`)."""

from dataclasses import replace

from ferjax.data.splits.folds import fold_splits
from ferjax.data.splits.split import DatasetBundle, join_splits


def refold(bundle: DatasetBundle, fold: int, folds: int, *, seed: int) -> DatasetBundle:
    """Returns the bundle with `train`, `val` and `test` made of folds of its train and val images.

    Fold `fold` is test, the next fold is val, the others are train. Folds are by subject if the
    data set has subjects, else stratified by class. The test split of the data set is not used, and
    a note says so.

    Args:
      bundle: the data set with its original splits.
      fold: 1 to `folds`.
      folds: 3 or more.
      seed: seed of stratified folds.

    Raises:
      UserError: `fold` or `folds` out of range, or splits of different image sizes.
    """
    pool = join_splits([bundle.splits["train"], bundle.splits["val"]], "pool")
    splits = fold_splits(pool, fold, folds, seed=seed)
    cut = "by person" if pool.subjects is not None else f"stratified, split seed {seed}"
    original = " and ".join(sorted({bundle.sources["train"], bundle.sources["val"]}))
    next_fold = fold % folds + 1
    sources = {
        "train": f"{original} without folds {fold} and {next_fold} of {folds} ({cut})",
        "val": f"fold {next_fold} of {folds} of {original}",
        "test": f"fold {fold} of {folds} of {original}",
    }
    notes = bundle.notes
    if "test" in bundle.splits:
        notes += (f"--folds: the data set's own test split ({bundle.sources['test']}) is not used",)
    return replace(bundle, splits=splits, sources=sources, notes=notes)
