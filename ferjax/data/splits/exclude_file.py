"""`exclude.txt`: the images that a person has looked at and wants left out."""

import difflib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.splits.split import DatasetBundle, subset
from ferjax.errors import UserError

EXCLUDE = "exclude.txt"


def read_exclude(path: Path) -> dict[str, int]:
    """Reads a list of images, one relative path a line; blank lines and # comments do not count.

    Returns:
      Path with forward slashes → the line it stands on.

    Raises:
      UserError: the file cannot be read or is no text.
    """
    try:
        # utf-8-sig: editors on Windows put a mark in front.
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(
            f"{path}: cannot be read ({reason}); expected a text file with one relative path a line"
        ) from None
    listed = [line.strip().replace("\\", "/").removeprefix("./") for line in lines]
    return {
        line: number for number, line in enumerate(listed, 1) if line and not line.startswith("#")
    }


def excluded(listed: dict[str, int], known: dict[str, str], where: Path) -> frozenset[str]:
    """Returns the images that a list leaves out.

    Args:
      listed: of `read_exclude`.
      known: each name by which an image may be listed → the image.
      where: the list, for messages.

    Raises:
      UserError: a line names no image.
    """
    for name, line in listed.items():
        if name not in known:
            raise UserError(
                f"{where}, line {line}: no image {name!r}.{_hint(name, known)} Expected paths "
                "relative to the data set's folder, as on the contact sheets"
            )
    return frozenset(known[name] for name in listed)


def without_listed(bundle: DatasetBundle, data_dir: Path) -> DatasetBundle:
    """Returns the bundle without the images that `exclude.txt` in its folder lists, with a note.

    Raises:
      UserError: the list cannot be read, or a line names no image.
    """
    path = data_dir / EXCLUDE
    if not path.is_file():
        return bundle
    known = {name: name for split in bundle.splits.values() for name in split.ids}
    out = excluded(read_exclude(path), known, path)
    splits = {
        name: subset(split, np.flatnonzero([image not in out for image in split.ids]))
        for name, split in bundle.splits.items()
    }
    note = f"{len(out):,} images left out by {EXCLUDE}"
    return replace(bundle, splits=splits, notes=(*bundle.notes, note))


def _hint(name: str, known: Iterable[str]) -> str:
    """Returns the nearest path; among 30,000 of them only same-named files are compared."""
    last = name.rpartition("/")[2]
    same = [other for other in known if other.rpartition("/")[2] == last]
    near = difflib.get_close_matches(name, same, n=1, cutoff=0.0)
    return f" Did you mean {near[0]!r}?" if near else ""
