"""Class folders that are only numbered: which number is which emotion, told by the counts."""

from collections.abc import Mapping

from ferjax.data.datasets.check_counts import published_counts, whole_splits
from ferjax.data.datasets.published_counts import PUBLISHED
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError


def name_numbers(
    dataset: str,
    counts: Mapping[str, Mapping[str, int]],
    schemes: Mapping[str, tuple[str, ...]],
    where: str,
) -> tuple[dict[str, str], str]:
    """Names the classes 0, 1, 2, ... of a copy whose every count is a published one.

    Several numberings are in use, so a number alone says nothing; a class of exactly the published
    number of images, in every split present, does. A copy that differs anywhere is refused.

    Args:
      dataset: a name in `PUBLISHED`.
      counts: the data set's own split names (`a+b` for merged ones) → number → images.
      schemes: the numberings in use, in words → class of 0, 1, 2, ...; empty where not known.
      where: the file or folder, for messages.

    Returns:
      Number → class name, and which scheme that is, in words.

    Raises:
      UserError: the counts do not settle it; the message lists the schemes.
    """
    whole = whole_splits(dataset, counts)
    names = ordered_classes(next(iter(PUBLISHED[dataset].values())))
    published = {split: published_counts(dataset, split) for split in whole}
    wanted = {name: tuple(published[split][name] for split in whole) for name in names}
    numbers = sorted({number for per_class in whole.values() for number in per_class}, key=int)
    found = {n: tuple(per_class.get(n, 0) for per_class in whole.values()) for n in numbers}
    named = {n: [name for name in names if wanted[name] == have] for n, have in found.items()}
    if len(numbers) == len(names) and all(len(fits) == 1 for fits in named.values()):
        mapping = {number: fits[0] for number, fits in named.items()}
        order = tuple(mapping.values())
        known = (words for words, scheme in schemes.items() if _agrees(scheme, order))
        return mapping, next(known, "a numbering of its own")
    listed = "; ".join(f"{words}: {_shown(scheme)}" for words, scheme in schemes.items())
    images = ", ".join(f"{n}: {'+'.join(f'{c:,}' for c in have)}" for n, have in found.items())
    raise UserError(
        f"{where}: classes are numbered from 0, and {len(schemes)} numberings of {dataset} are in "
        f"use ({listed}). The images of each number ({images}) are not the published counts, which "
        "would tell them apart. Rename the classes by emotion (anger, disgust, ...)"
    )


def _agrees(scheme: tuple[str, ...], order: tuple[str, ...]) -> bool:
    """Returns whether `order` is the numbering `scheme`, as far as that is known."""
    return len(scheme) == len(order) and all(
        a in ("", b) for a, b in zip(scheme, order, strict=True)
    )


def _shown(scheme: tuple[str, ...]) -> str:
    """Returns "0 neutral, 1 happiness, ...", unknown ones left out."""
    return ", ".join(f"{number} {name}" for number, name in enumerate(scheme) if name)
