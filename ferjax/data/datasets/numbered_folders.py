"""Numbered class folders: finds which number is which emotion, by the published class counts."""

from collections.abc import Mapping

from ferjax.data.datasets.check_class_counts import merge_parts
from ferjax.data.datasets.published_class_counts import PUBLISHED, published_counts
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError


def identify_numbered_classes(
    dataset: str,
    counts: Mapping[str, Mapping[str, int]],
    schemes: Mapping[str, tuple[str, ...]],
    where: str,
) -> tuple[dict[str, str], str]:
    """Finds the emotions of classes that are numbered 0, 1, 2, ... by their published counts.

    Several numberings are in use, so a number alone does not identify a class. A class is
    identified if it has exactly the published number of images in every split present. A copy with
    any other count is refused.

    Args:
      dataset: a name in `PUBLISHED`.
      counts: original split name (`a+b` for merged splits) → class number → number of images.
      schemes: name of a numbering in use → classes of 0, 1, 2, ...; "" for an unknown class.
      where: the file or folder, for messages.

    Returns:
      Class number → class name, and the name of the numbering.

    Raises:
      UserError: the counts do not identify the classes; the message lists the schemes.
    """
    merged = merge_parts(dataset, counts)
    names = ordered_classes(next(iter(PUBLISHED[dataset].values())))
    published = {split: published_counts(dataset, split) for split in merged}
    published_of = {name: tuple(published[split][name] for split in merged) for name in names}
    numbers = sorted({number for per_class in merged.values() for number in per_class}, key=int)
    counts_of = {n: tuple(per_class.get(n, 0) for per_class in merged.values()) for n in numbers}
    candidates = {
        n: [name for name in names if published_of[name] == count] for n, count in counts_of.items()
    }
    if len(numbers) == len(names) and all(
        len(names_that_fit) == 1 for names_that_fit in candidates.values()
    ):
        mapping = {number: names_that_fit[0] for number, names_that_fit in candidates.items()}
        order = tuple(mapping.values())
        matching = (
            scheme_name for scheme_name, scheme in schemes.items() if _matches_scheme(scheme, order)
        )
        return mapping, next(matching, "a numbering of its own")
    schemes_text = "; ".join(
        f"{scheme_name}: {_describe_scheme(scheme)}" for scheme_name, scheme in schemes.items()
    )
    counts_text = ", ".join(
        f"{n}: {'+'.join(f'{c:,}' for c in count)}" for n, count in counts_of.items()
    )
    raise UserError(
        f"{where}: classes are numbered from 0, and {len(schemes)} numberings of {dataset} are in "
        f"use ({schemes_text}). The images of each number ({counts_text}) are not the "
        "published counts, which would tell them apart. Rename the classes by emotion (anger, "
        "disgust, ...)"
    )


def _matches_scheme(scheme: tuple[str, ...], order: tuple[str, ...]) -> bool:
    """Returns whether `order` agrees with the known classes of the numbering `scheme`."""
    return len(scheme) == len(order) and all(
        a in ("", b) for a, b in zip(scheme, order, strict=True)
    )


def _describe_scheme(scheme: tuple[str, ...]) -> str:
    """Returns "0 neutral, 1 happiness, ..." without the unknown classes."""
    return ", ".join(f"{number} {name}" for number, name in enumerate(scheme) if name)
