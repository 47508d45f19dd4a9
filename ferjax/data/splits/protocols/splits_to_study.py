"""Cuts of any data set that public code makes by mistake; the study of protocols compares them.

Each function takes the bundle with the splits on disk, without a val cut, the split seed and the
share of train that becomes val if val is cut. It returns a bundle with train, val and test.
"""

import numpy as np

from ferjax.data.audit.duplicates_of_another_split import duplicates_across
from ferjax.data.splits.folds import subject_folds
from ferjax.data.splits.protocols.rebuild_bundle import (
    NAMES,
    check_has,
    pooled_images,
    rebuilt,
    val_is_test,
)
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.data.splits.stratified_cut import hold_out, stratified_sample
from ferjax.errors import UserError


def honest_splits(on_disk: DatasetBundle, seed: int, val_fraction: float) -> DatasetBundle:
    """Returns train, val and test, all different; a val on disk is test if no test is on disk.

    If no val is left, it is cut from train: by person if people are known, else stratified by
    class.

    Raises:
      UserError: there is neither test nor val on disk.
    """
    splits, sources, notes = dict(on_disk.splits), dict(on_disk.sources), list[str]()
    check_has(on_disk, "train")
    if "test" not in splits:
        check_has(on_disk, "val")
        splits["test"], sources["test"] = splits.pop("val"), sources.pop("val")
        notes.append(f"no test split on disk: {sources['test']} is test, and val is cut from train")
    if "val" not in splits:
        train_source = sources["train"]
        splits["train"], splits["val"] = _cut_val(splits["train"], val_fraction, seed)
        sources["train"] = f"{train_source} without the validation cut"
        sources["val"] = f"{val_fraction:.4g} of {train_source} (split seed {seed})"
    return rebuilt(on_disk, splits, sources, notes, recut=False)


def public_test_is_test(on_disk: DatasetBundle, seed: int, val_fraction: float) -> DatasetBundle:
    """Returns `honest_splits` of a copy of FER2013 or FER+ whose PrivateTest is not on disk.

    Raises:
      UserError: there is a test split.
    """
    if "test" in on_disk.splits:
        raise UserError(
            f"--protocol=publictest_is_test: {on_disk.sources['test']} is on disk and is the test"
            " split. Leave the flag out."
        )
    return honest_splits(on_disk, seed, val_fraction)


def select_on_test(on_disk: DatasetBundle, seed: int, val_fraction: float) -> DatasetBundle:
    """Returns `honest_splits` with the test images as val too; train is the same."""
    bundle = honest_splits(on_disk, seed, val_fraction)
    note = f"{len(bundle.splits['val']):,} images ({bundle.sources['val']}) are in no split"
    return val_is_test(bundle, bundle.splits, bundle.sources, [note], recut=False)


def swapped(on_disk: DatasetBundle, seed: int, val_fraction: float) -> DatasetBundle:
    """Returns `honest_splits` with val and test exchanged."""
    bundle = honest_splits(on_disk, seed, val_fraction)
    source_name = {"train": "train", "val": "test", "test": "val"}
    splits = {name: bundle.splits[source_name[name]] for name in NAMES}
    return rebuilt(
        bundle, splits, {name: bundle.sources[source_name[name]] for name in NAMES}, recut=False
    )


def merged(on_disk: DatasetBundle, seed: int, val_fraction: float) -> DatasetBundle:
    """Returns all images pooled and cut at random, in the sizes of `honest_splits`."""
    sizes = [len(split) for split in honest_splits(on_disk, seed, val_fraction).splits.values()]
    pool = pooled_images(on_disk)
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(pool))
    parts = np.split(order, np.cumsum(sizes)[:-1])
    source = f"at random out of all {len(pool):,} images (split seed {seed})"
    splits = {n: subset(pool, np.sort(part), n) for n, part in zip(NAMES, parts, strict=True)}
    return rebuilt(on_disk, splits, dict.fromkeys(NAMES, source))


def shared_subjects(on_disk: DatasetBundle, seed: int, val_fraction: float) -> DatasetBundle:
    """Returns all images cut by class and not by person, in the sizes of `honest_splits`.

    Raises:
      UserError: the data do not name people.
    """
    honest = honest_splits(on_disk, seed, val_fraction)
    pool = pooled_images(on_disk)
    if pool.subjects is None:
        raise UserError(
            f"--protocol=shared_subjects: {on_disk.layout} does not name people, so that whether"
            " splits share them is not known. Leave the flag out."
        )
    test = stratified_sample(pool.labels, len(honest.splits["test"]), seed)
    rest = np.setdiff1d(np.arange(len(pool)), test)
    val = rest[stratified_sample(pool.labels[rest], len(honest.splits["val"]), seed)]
    positions = {"train": np.setdiff1d(rest, val), "val": val, "test": test}
    source = f"all {len(pool):,} images, cut by class and not by person (split seed {seed})"
    splits = {name: subset(pool, positions[name], name) for name in NAMES}
    return rebuilt(on_disk, splits, dict.fromkeys(NAMES, source))


def without_duplicates(on_disk: DatasetBundle, seed: int, val_fraction: float) -> DatasetBundle:
    """Returns `honest_splits` without the training images that have a duplicate in test.

    Duplicates are identical, near and mirrored duplicates, as the audit finds them.
    """
    bundle = honest_splits(on_disk, seed, val_fraction)
    train = bundle.splits["train"]
    in_train, in_test = duplicates_across(train, bundle.splits["test"])
    note = (
        f"{len(in_train):,} training images that {len(in_test):,} test images show too were left"
        " out"
    )
    kept = subset(train, np.setdiff1d(np.arange(len(train)), in_train))
    sources = {**bundle.sources, "train": f"{bundle.sources['train']}, without duplicates of test"}
    return rebuilt(bundle, {**bundle.splits, "train": kept}, sources, [note], recut=False)


def _cut_val(train: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Returns train and val, cut from train by person if people are known, else by class."""
    if train.targets is not None:
        raise UserError(
            "--protocol with soft --labels and no val of its own: val, cut from train, needs hard"
            " labels. Give --labels=majority."
        )
    if train.subjects is None:
        return hold_out(train, fraction, seed)
    # The same cut as that of `user_folder`.
    k = max(2, min(round(1 / fraction), len(np.unique(train.subjects))))
    val = subject_folds(train.subjects, k)[seed % k]
    kept = np.setdiff1d(np.arange(len(train)), val)
    return subset(train, kept, "train"), subset(train, val, "val")
