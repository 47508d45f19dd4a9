"""Cuts of the five papers that differ from ferjax's own splits (PAPERS.md has the numbers).

Each function takes the bundle with the splits on disk, without a val cut, and the split seed.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ferjax.data.splits.protocols.rebuild_bundle import (
    check_has,
    pooled_images,
    rebuilt,
    val_is_test,
)
from ferjax.data.splits.split import DatasetBundle, join_splits, subset
from ferjax.data.splits.stratified_cut import hold_out, stratified_cut, stratified_sample


def whole_train_val_is_test(
    on_disk: DatasetBundle, seed: int, val_fraction: float
) -> DatasetBundle:
    """Returns the whole train split, and the test images as val and as test.

    Raises:
      UserError: there is no train or no test split on disk.
    """
    for name in ("train", "test"):
        check_has(on_disk, name)
    unused = [f"{source} is in no split" for n, source in on_disk.sources.items() if n == "val"]
    return val_is_test(on_disk, on_disk.splits, on_disk.sources, unused, recut=False)


def cut_train_and_merge_the_rest(
    on_disk: DatasetBundle, seed: int, val_fraction: float
) -> DatasetBundle:
    """Returns P2's splits: val is a fifth of each class of train; val and test on disk are test."""
    check_has(on_disk, "train")
    test_splits = [on_disk.splits[name] for name in ("val", "test") if name in on_disk.splits]
    if not test_splits:
        check_has(on_disk, "test")
    train_source = on_disk.sources["train"]
    kept, val = hold_out(on_disk.splits["train"], 0.2, seed)
    splits = {"train": kept, "val": val, "test": join_splits(test_splits, "test")}
    merged_names = " and ".join(s for n, s in on_disk.sources.items() if n != "train")
    sources = {
        "train": f"{train_source} without the validation cut",
        "val": f"a fifth of each class of {train_source} (split seed {seed})",
        "test": merged_names,
    }
    return rebuilt(on_disk, splits, sources, _missing_test_note(on_disk), recut=False)


def train_cut_in_two(on_disk: DatasetBundle, seed: int, *, kept: int, whole: int) -> DatasetBundle:
    """Returns `kept` of `whole` training images as train, the others as val; test stays.

    If no test is on disk, a val on disk is test; else it is in no split. If the number of training
    images is not `whole`, the same share is kept, and a note says so.

    Raises:
      UserError: there is no train, or neither test nor val, on disk.
    """
    check_has(on_disk, "train")
    test = "test" if "test" in on_disk.splits else "val"
    check_has(on_disk, test)
    train, source = on_disk.splits["train"], on_disk.sources["train"]
    count = kept if len(train) == whole else round(kept * len(train) / whole)
    unused = set(on_disk.sources) - {"train", test}
    notes = [f"{on_disk.sources[name]} is in no split" for name in sorted(unused)]
    if len(train) != whole:
        notes.append(f"train is {count:,} of {len(train):,} images, as {kept:,} is of {whole:,}")
    rows = stratified_sample(train.labels, count, seed)
    rest = np.setdiff1d(np.arange(len(train)), rows)
    splits = {"train": subset(train, rows), "val": subset(train, rest, "val"),
              "test": on_disk.splits[test]}  # fmt: skip
    sources = {
        "train": f"{count:,} of {source}, stratified (split seed {seed})",
        "val": f"the other {len(rest):,} of {source}",
        "test": on_disk.sources[test],
    }
    return rebuilt(on_disk, splits, sources, notes)


def pool_cut_in_two(
    on_disk: DatasetBundle, seed: int, shares: float | Mapping[str, float]
) -> DatasetBundle:
    """Returns all images cut at image level: a share of each class is val and test, the rest train.

    Args:
      on_disk: the splits on disk.
      seed: seed of the cut.
      shares: the share of every class, or class → share.
    """
    pool = pooled_images(on_disk)
    if isinstance(shares, Mapping):
        held = _held_by_class(pool.labels, [shares[name] for name in on_disk.classes], seed)
        share_text = "a share of each class as printed"
    else:
        held = stratified_cut(pool.labels, shares, seed)[1]
        share_text = f"{shares:g} of each class"
    rest = np.setdiff1d(np.arange(len(pool)), held)
    splits = {"train": subset(pool, rest, "train"), "test": subset(pool, held, "test")}
    sources = {
        "train": "all other images",
        "test": f"{share_text} of all {len(pool):,} images, cut at image level (split seed {seed})",
    }
    return val_is_test(on_disk, splits, sources, _missing_test_note(on_disk))


def _held_by_class(labels: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Returns ascending positions of round(share · n) images of each class, drawn at random."""
    generator = np.random.Generator(np.random.Philox(seed))
    drawn = []
    for number, share in enumerate(shares):
        rows = generator.permutation(np.flatnonzero(labels == number))
        drawn.append(rows[: round(share * len(rows))])
    return np.sort(np.concatenate(drawn))


def _missing_test_note(on_disk: DatasetBundle) -> list[str]:
    """Returns a note if PrivateTest, the test split of FER2013, is not on disk; else no note."""
    if "PublicTest" in on_disk.sources.values() and "test" not in on_disk.splits:
        return ["PrivateTest is not on disk: the protocol was applied to the images that are there"]
    return []
