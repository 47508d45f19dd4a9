"""Reads `exclude.txt`, the user's list of images to leave out, and leaves them out."""

import difflib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.splits.split import DatasetBundle, subset
from ferjax.errors import UserError

EXCLUDE = "exclude.txt"


def read_exclude(path: Path) -> dict[str, int]:
    """Reads a list of images, one relative path per line; ignores blank lines and # comments.

    Returns:
      Path as it stands there → its line number.

    Raises:
      UserError: the file cannot be read or is not text.
    """
    try:
        # utf-8-sig, because editors on Windows write a byte order mark.
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(
            f"{path}: cannot be read ({reason}); expected a text file with one relative path a line"
        ) from None
    lines = [line.strip() for line in lines]
    return {
        line: number for number, line in enumerate(lines, 1) if line and not line.startswith("#")
    }


def excluded(line_of: dict[str, int], image_of: dict[str, str], where: Path) -> frozenset[str]:
    """Returns the images that a list leaves out.

    Args:
      line_of: path → line number, as `read_exclude` returns it.
      image_of: every name that the list may use for an image → the image.
      where: path of the list, for messages.

    Raises:
      UserError: a line names no image.
    """
    images = set()
    for name, line in line_of.items():
        # A backslash is a separator of Windows, or part of a name such as a\xff.png.
        slashes = name.replace("\\", "/").removeprefix("./")
        image = image_of.get(name, image_of.get(slashes))
        if image is None:
            raise UserError(
                f"{where}, line {line}: no image {slashes!r}.{_hint(slashes, image_of)} Expected "
                "paths relative to the data set's folder, as on the contact sheets"
            )
        images.add(image)
    return frozenset(images)


def without_listed(bundle: DatasetBundle, data_dir: Path, inside: Path = Path()) -> DatasetBundle:
    """Returns the bundle without the images that `exclude.txt` in its folder lists, with a note.

    If `inside` is the folder in `data_dir` that was read, a line may name an image relative to
    either. Beside a list or a csv file the file is not read, which a note says.

    Raises:
      UserError: the list cannot be read, or a line names no image.
    """
    path = data_dir / EXCLUDE
    if data_dir.is_file() and data_dir.with_name(EXCLUDE).is_file():
        note = f"{EXCLUDE} beside {data_dir.name} was not read: leave out the rows themselves"
        return replace(bundle, notes=(*bundle.notes, note))
    if not path.is_file():
        return bundle
    image_of = {name: name for split in bundle.splits.values() for name in split.ids}
    image_of |= {(inside / name).as_posix(): name for name in image_of}
    left_out = excluded(read_exclude(path), image_of, path)
    splits = {
        name: subset(split, np.flatnonzero([image not in left_out for image in split.ids]))
        for name, split in bundle.splits.items()
    }
    note = f"{len(left_out):,} images left out by {EXCLUDE}"
    return replace(bundle, splits=splits, notes=(*bundle.notes, note))


def _hint(name: str, image_of: Iterable[str]) -> str:
    """Returns a hint with the most similar path; compares only paths with the same file name."""
    last = name.rpartition("/")[2]
    same_file_name = [other for other in image_of if other.rpartition("/")[2] == last]
    closest = difflib.get_close_matches(name, same_file_name, n=1, cutoff=0.0)
    return f" Did you mean {closest[0]!r}?" if closest else ""
