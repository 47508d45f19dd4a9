"""Finds unreadable images before training, and leaves them out (`--on_bad_image=skip`)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm

ON_BAD_IMAGE = ("error", "skip")
_BLOCK = 256


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be read.

    Attributes:
      name: the id of the image in the split.
      reason: the whole error message: the file, what is wrong with it and what to do.
    """

    name: str
    reason: str


def read_blocks(
    split: Split, on_bad_image: str = "error"
) -> Iterator[tuple[np.ndarray, np.ndarray, dict[int, BadImage]]]:
    """Reads a split from first to last; yields (positions, images, bad) of each block.

    Args:
      split: the split to read.
      on_bad_image: `error` raises at the first unreadable image. `skip` puts it into `bad`
        (position → `BadImage`); in `images` it is black.

    Raises:
      UserError: an unreadable image with `error`; an unknown value of `on_bad_image`.
    """
    if on_bad_image not in ON_BAD_IMAGE:
        allowed = " or ".join(ON_BAD_IMAGE)
        raise UserError(f"--on_bad_image={on_bad_image}: unknown, expected {allowed}")
    bar = tqdm(total=len(split), desc=split.name, unit="image", disable=None, leave=False)
    with bar:
        for start in range(0, len(split), _BLOCK):
            positions = np.arange(start, min(start + _BLOCK, len(split)))
            yield positions, *_read_block(split, positions, on_bad_image)
            bar.update(len(positions))


def _read_block(
    split: Split, positions: np.ndarray, on_bad_image: str
) -> tuple[np.ndarray, dict[int, BadImage]]:
    """Returns the images of one block and the unreadable ones, as in `read_blocks`."""
    try:
        return split.read(positions), {}
    except UserError:
        if on_bad_image == "error":
            raise
    images, bad = np.zeros((len(positions), *split.shape), np.uint8), {}
    for row, position in enumerate(map(int, positions)):
        try:
            images[row] = split.read(positions[row : row + 1])[0]
        except UserError as error:
            bad[position] = BadImage(split.ids[position], str(error))
    return images, bad


def without_bad(split: Split, bad: Mapping[int, BadImage]) -> Split:
    """Returns `split` without the images at the positions `bad`.

    Raises:
      UserError: no image remains.
    """
    if not bad:
        return split
    good = np.setdiff1d(np.arange(len(split)), [*bad])
    if not good.size:
        reason = next(iter(bad.values())).reason
        raise UserError(f"none of the {len(split):,} images of {split.name} can be read: {reason}")
    return subset(split, good)


def skipped_note(bad: Sequence[BadImage], most: int = 5) -> str:
    """Returns "3 unreadable images skipped: a, b, c", with the first `most` names."""
    names = ", ".join(one.name for one in bad[:most])
    more = f" and {len(bad) - most:,} more" if len(bad) > most else ""
    return f"{len(bad):,} unreadable image{'s' * (len(bad) > 1)} skipped: {names}{more}"


def skip_unreadable(
    bundle: DatasetBundle, keep: Callable[[Split], Split] = lambda split: split
) -> DatasetBundle:
    """Returns the bundle without the images that cannot be read, with a note that counts them.

    Every image is read once.

    Args:
      bundle: a data set whose files were listed with `on_bad_image="skip"`.
      keep: adds a cache of decoded images to a split (`memory_cache.cached`), so that no image is
        decoded again.

    Raises:
      UserError: no image of a split can be read.
    """
    splits, notes = {}, []
    for name, split in bundle.splits.items():
        kept_split, all_bad = keep(split), {}
        for _, _, bad in read_blocks(kept_split, "skip"):
            all_bad |= bad
        splits[name] = without_bad(kept_split, all_bad)
        if all_bad:
            notes.append(f"{name}: {skipped_note(list(all_bad.values()))}")
    return replace(bundle, splits=splits, notes=(*bundle.notes, *notes))
