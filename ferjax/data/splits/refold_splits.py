"""A data set's own splits cut anew into folds."""

from dataclasses import replace

from ferjax.data.splits.folds import fold_splits
from ferjax.data.splits.split import DatasetBundle, joined


def refold(bundle: DatasetBundle, fold: int, folds: int, *, seed: int) -> DatasetBundle:
    """Returns the bundle with `train`, `val` and `test` cut from its train and val images.

    Fold `fold` tests, the next selects, the others train; by person where the data set names
    persons, else stratified. Its own test split stays out of it, and a note says so.

    Args:
      bundle: as the data set has it.
      fold: 1 to `folds`.
      folds: 3 or more.
      seed: of stratified folds.

    Raises:
      UserError: `fold` or `folds` out of range, or splits of different image sizes.
    """
    pool = joined([bundle.splits["train"], bundle.splits["val"]], "pool")
    splits = fold_splits(pool, fold, folds, seed=seed)
    cut = "by person" if pool.subjects is not None else f"stratified, split seed {seed}"
    own = " and ".join(sorted({bundle.sources["train"], bundle.sources["val"]}))
    after = fold % folds + 1
    sources = {
        "train": f"{own} without folds {fold} and {after} of {folds} ({cut})",
        "val": f"fold {after} of {folds} of {own}",
        "test": f"fold {fold} of {folds} of {own}",
    }
    notes = bundle.notes
    if "test" in bundle.splits:
        notes += (f"--folds: the data set's own test split ({bundle.sources['test']}) is not used",)
    return replace(bundle, splits=splits, sources=sources, notes=notes)
