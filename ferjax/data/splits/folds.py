"""Cross-validation folds: stratified by class, or by subject so that no subject is in two folds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ferjax.data.splits.split import Split, subset
from ferjax.data.splits.stratified_cut import hold_out, stratified_cut, stratified_sample
from ferjax.errors import UserError


def k_folds(labels: np.ndarray, k: int, seed: int) -> list[np.ndarray]:
    """Distributes the images of every class over k folds.

    Fold sizes differ by at most one image, and so do the images of each class in the folds.

    Args:
      labels: int [N] class indexes.
      k: number of folds, 2 to N.
      seed: seed of a Philox generator, 0 or more; it gives the same folds on every machine.

    Returns:
      k arrays of ascending int64 positions; they are disjoint and together 0 to N-1.

    Raises:
      UserError: `k` or `seed` is out of range.
    """
    labels = np.asarray(labels)
    _check_count(k, len(labels), "images")
    if seed < 0:
        raise UserError(f"split_seed={seed}: expected 0 or more")
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    return [np.sort(order[i::k]) for i in range(k)]


def subject_folds(subjects: Sequence[str] | np.ndarray, k: int) -> list[np.ndarray]:
    """Distributes subjects over k folds: fold i, from 0, is every k-th sorted id from the i-th on.

    Args:
      subjects: str [N], the subject of each image.
      k: number of folds, 2 to the number of subjects.

    Returns:
      k arrays of ascending int64 positions; they are disjoint, together 0 to N-1, and no subject
      is in two of them.

    Raises:
      UserError: `k` is out of range.

    References:
      The rule of CK+'s ten folds, as in Meng, Peng, Wang and Qiao, "Frame Attention Networks for
      Facial Expression Recognition in Videos", ICIP 2019 (subjects in ascending order, step 10).
    """
    ids, subject = np.unique(np.asarray(subjects), return_inverse=True)
    _check_count(k, len(ids), "people")
    return [np.flatnonzero(subject % k == i) for i in range(k)]


def fold_splits(
    pool: Split, fold: int, folds: int, *, val_fraction: float = 0.1, seed: int = 0
) -> dict[str, Split]:
    """Returns `train`, `val` and `test`: test is fold `fold`, val is taken from the next fold.

    Folds are by subject if the pool has subjects, else stratified by class. The fold after the last
    is the first. `val` is `val_fraction` of the pool, at most the whole next fold, and is cut in
    the same way as the folds. All other images are `train`, so train has at least `folds` - 2 of
    the folds: 80 % of the pool with ten folds, 57 % with three.

    Args:
      pool: all images.
      fold: 1 to `folds`.
      folds: 2 or more.
      val_fraction: share of the pool, above 0 and below 1.
      seed: seed of stratified folds.

    Raises:
      UserError: `fold`, `folds`, `val_fraction` or `seed` is out of range, or no image is left for
        train.
    """
    if not 1 <= fold <= folds:
        raise UserError(f"fold={fold}: expected 1 to {folds}")
    if not 0 < val_fraction < 1:
        raise UserError(f"val_fraction={val_fraction}: expected a number above 0 and below 1")
    if pool.subjects is None:
        parts = k_folds(pool.labels, folds, seed)
    else:
        parts = subject_folds(pool.subjects, folds)
    test, next_fold = parts[fold - 1], parts[fold % folds]
    val = next_fold[_val_positions(subset(pool, next_fold), len(pool), folds, val_fraction, seed)]
    train = np.ones(len(pool), bool)
    train[test] = train[val] = False
    if not train.any():
        people = "" if pool.subjects is None else f" of {len(np.unique(pool.subjects)):,} people"
        raise UserError(
            f"fold={fold} of folds={folds}, val_fraction={val_fraction}: test and val take all"
            f" {len(pool):,} images{people}, so none is left for train. Give more folds, a smaller"
            f" val_fraction or {'more people' if people else 'more images'}"
        )
    return {
        "train": subset(pool, np.flatnonzero(train), "train"),
        "val": subset(pool, val, "val"),
        "test": subset(pool, test, "test"),
    }


def _val_positions(
    next_fold: Split, total: int, folds: int, fraction: float, seed: int
) -> np.ndarray:
    """Returns the positions of val within the next fold; `fraction` is a share of all images."""
    if next_fold.subjects is None:
        return stratified_sample(next_fold.labels, math.ceil(fraction * total), seed)
    people = len(np.unique(next_fold.subjects))
    # val is every nth person of the fold, because the fold has n times as many people as val needs.
    n = min(round(1 / (fraction * folds)), people)
    return subject_folds(next_fold.subjects, n)[0] if n > 1 else np.arange(len(next_fold))


def describe_folds(splits: Mapping[str, Split], fold: int, folds: int) -> dict[str, str]:
    """Returns split of `fold_splits` → description of the source of its images, for reports."""
    total = sum(map(len, splits.values()))
    shares = {name: f"{100 * len(split) / total:.0f} % of all" for name, split in splits.items()}
    return {
        "train": f"all other images, {shares['train']}",
        "val": f"from fold {fold % folds + 1} of {folds}, {shares['val']}",
        "test": f"fold {fold} of {folds}, {shares['test']}",
    }


def stratified_splits(
    pool: Split, *, test_fraction: float, val_fraction: float = 0.0, seed: int = 0
) -> dict[str, Split]:
    """Returns `train`, `test` and, if `val_fraction` is above 0, `val`, stratified by class.

    Args:
      pool: all images.
      test_fraction: share of the pool, above 0 and below 1.
      val_fraction: share of the pool; both shares together are below 1.
      seed: seed of both cuts.

    Raises:
      UserError: shares or seed out of range.
    """
    if not 0 < test_fraction < 1 or not 0 <= val_fraction < 1 - test_fraction:
        raise UserError(
            f"test_fraction={test_fraction}, val_fraction={val_fraction}: expected shares that "
            "leave some for train, say 0.2 and 0.1"
        )
    kept, held = stratified_cut(pool.labels, test_fraction, seed)
    splits = {"train": subset(pool, kept, "train"), "test": subset(pool, held, "test")}
    if val_fraction:
        share = val_fraction / (1 - test_fraction)
        splits["train"], splits["val"] = hold_out(splits["train"], share, seed)
    return splits


def _check_count(k: int, available: int, noun: str) -> None:
    """Raises `UserError` unless `k` is 2 to `available`, the number of `noun` (images, people)."""
    if available < 2:
        raise UserError(
            f"the number of {noun} is {available}, and folds need 2 or more. Add {noun}, or only"
            " evaluate these images (launch.evaluate)"
        )
    if not 2 <= k <= available:
        raise UserError(
            f"folds={k}: expected 2 to {available:,}, the number of {noun}. Give --folds in this"
            f" range, or add {noun}"
        )
