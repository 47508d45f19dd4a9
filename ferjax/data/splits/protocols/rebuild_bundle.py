"""Gives a bundle other splits: pools and renames splits, keeps the remarks that still hold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ferjax.data.splits.split import DatasetBundle, Split, join_splits
from ferjax.errors import UserError

NAMES = ("train", "val", "test")


def pooled_images(on_disk: DatasetBundle) -> Split:
    """Returns all images as one split, named `pool`.

    Raises:
      UserError: a split has soft labels; the labels of val and test are made by another rule.
    """
    if any(split.targets is not None for split in on_disk.splits.values()):
        raise UserError("--protocol with soft labels: splits cannot be pooled. Give hard --labels.")
    return join_splits([on_disk.splits[name] for name in NAMES if name in on_disk.splits], "pool")


def check_has(on_disk: DatasetBundle, name: str) -> None:
    """Raises `UserError` if the split `name` is not on disk."""
    if name not in on_disk.splits:
        raise UserError(
            f"--protocol needs a {name} split on disk; found {', '.join(on_disk.splits)}"
            f" ({on_disk.layout}). Get the whole data set, or leave the flag out."
        )


def val_is_test(
    bundle: DatasetBundle,
    splits: Mapping[str, Split],
    sources: Mapping[str, str],
    notes: Sequence[str] = (),
    *,
    recut: bool = True,
) -> DatasetBundle:
    """Returns the `rebuilt` bundle with these train and test splits; val has the test images."""
    splits = {**splits, "val": splits["test"]}
    sources = {**sources, "val": f"the test images: {sources['test']}"}
    return rebuilt(bundle, splits, sources, notes, recut=recut)


def rebuilt(
    bundle: DatasetBundle,
    splits: Mapping[str, Split],
    sources: Mapping[str, str],
    notes: Sequence[str] = (),
    *,
    recut: bool = True,
) -> DatasetBundle:
    """Returns the bundle with other splits and further notes.

    Args:
      bundle: classes, layout and notes.
      splits: train, val and test; the splits themselves may have other names.
      sources: description of the source of each split.
      notes: remarks to add.
      recut: whether images were pooled and cut again; remarks on the former splits are then
        dropped.
    """
    dropped = bundle.cut_notes if recut else ()
    return replace(
        bundle,
        splits={name: replace(splits[name], name=name) for name in NAMES},
        sources={name: sources[name] for name in NAMES},
        notes=(*(note for note in bundle.notes if note not in dropped), *notes),
        cut_notes=() if recut else bundle.cut_notes,
    )
