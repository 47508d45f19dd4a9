"""Replaces the splits of a data set by cross-validation folds (`--folds`, `--fold`)."""

from dataclasses import replace

from ferjax.data.splits.folds import describe_folds, fold_splits
from ferjax.data.splits.split import DatasetBundle, join_splits


def refold(
    bundle: DatasetBundle, fold: int, folds: int, *, val_fraction: float = 0.1, seed: int
) -> DatasetBundle:
    """Returns the bundle with `train`, `val` and `test` made of folds of its train and val images.

    The cut is that of `fold_splits`: fold `fold` is test, val is taken from the next fold. The test
    split of the data set is not used, and a note says so; notes on its own splits are dropped.

    Args:
      bundle: the data set with its original splits.
      fold: 1 to `folds`.
      folds: 2 or more.
      val_fraction: share of all images that is val.
      seed: seed of stratified folds.

    Raises:
      UserError: `fold` or `folds` out of range, or splits of different image sizes.
    """
    pool = join_splits([bundle.splits["train"], bundle.splits["val"]], "pool")
    splits = fold_splits(pool, fold, folds, val_fraction=val_fraction, seed=seed)
    fold_kind = "by person" if pool.subjects is not None else f"stratified, split seed {seed}"
    # A val that was cut from train goes back to it.
    original, was_cut, _ = bundle.sources["train"].partition(" without the ")
    if not was_cut:
        original = " and ".join(sorted({bundle.sources["train"], bundle.sources["val"]}))
    sources = {
        name: f"{original}: {text} ({fold_kind})"
        for name, text in describe_folds(splits, fold, folds).items()
    }
    notes = tuple(note for note in bundle.notes if note not in bundle.cut_notes)
    if "test" in bundle.splits:
        notes += (f"--folds: the data set's own test split ({bundle.sources['test']}) is not used",)
    return replace(bundle, splits=splits, sources=sources, notes=notes, cut_notes=())
