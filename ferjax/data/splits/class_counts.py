"""Describes the class counts of a split in words, and warns of classes without images."""

from collections.abc import Mapping, Sequence

import numpy as np

from ferjax.data.splits.split import Split

_AVERAGES = (
    "averages over classes leave it out (balanced accuracy always, macro-F1 unless it is predicted)"
)


def counts_by_class(labels: np.ndarray, classes: Sequence[str]) -> dict[str, int]:
    """Returns class name → number of images, also 0; labels int [N]."""
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=True))


def describe_counts(split: Split, classes: Sequence[str]) -> str:
    """Returns "9 images: anger 4, fear 5"; classes without images are left out."""
    named = [f"{name} {n:,}" for name, n in counts_by_class(split.labels, classes).items() if n]
    return f"{len(split):,} images: {', '.join(named)}"


def absent_classes(split: Split, classes: Sequence[str]) -> tuple[str, ...]:
    """Returns the classes that are absent from the labels and from the soft labels of `split`."""
    counts = np.bincount(split.labels, minlength=len(classes)).astype(float)
    if split.targets is not None:
        counts = counts + split.targets.sum(0)
    return tuple(name for name, count in zip(classes, counts, strict=True) if not count)


def absent_class_warnings(
    splits: Mapping[str, Split], classes: Sequence[str], trained: str | None = "train"
) -> list[str]:
    """Returns a warning for each split that lacks classes.

    Args:
      splits: name → split.
      classes: the class list that the labels index.
      trained: the split that is trained on. Its warning says that the network cannot learn the
        class; the warnings of other splits say which averages leave the class out.
    """
    missing = {name: absent_classes(split, classes) for name, split in splits.items()}
    return [
        f"{name} has no image of {', '.join(absent)}: "
        + ("the network cannot learn what it does not see" if name == trained else _AVERAGES)
        for name, absent in missing.items()
        if absent
    ]
