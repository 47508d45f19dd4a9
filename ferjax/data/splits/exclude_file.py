"""Reads `exclude.txt`, the user's list of images to leave out, and leaves them out."""

import difflib
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.config.given_files import check_text_file
from ferjax.data.splits.class_counts import absent_classes
from ferjax.data.splits.split import DatasetBundle, subset
from ferjax.errors import UserError

_log = logging.getLogger(__name__)
EXCLUDE = "exclude.txt"


def read_exclude(path: Path) -> dict[str, int]:
    """Reads a list of images, one relative path per line; ignores blank lines and # comments.

    Returns:
      Path as written in the list → its line number.

    Raises:
      UserError: the file cannot be read or is not text.
    """
    check_text_file(Path(path), "Write one path a line.")
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
        portable_name = name.replace("\\", "/").removeprefix("./")
        image = image_of.get(name, image_of.get(portable_name))
        if image is None:
            raise UserError(
                f"{where}, line {line}: no image {portable_name!r}.{_hint(portable_name, image_of)}"
                " Expected paths relative to the data set's folder, as on the contact sheets"
            )
        images.add(image)
    return frozenset(images)


def without_listed(bundle: DatasetBundle, data_dir: Path, *, judged: bool = False) -> DatasetBundle:
    """Returns the bundle without the images that `exclude.txt` lists, with a note.

    The file may be in `data_dir`, in the folder that was read (`bundle.root`), or in a folder in
    between; if there are several, all of them count. A line may name an image relative to any of
    these folders.

    A class that is left without any image is taken out of the class list, and a note says so. If
    `data_dir` is a list or a csv file, `exclude.txt` beside it is not read, and a note says so.

    Args:
      bundle: the data set.
      data_dir: its folder or file.
      judged: whether the data are only evaluated; then one class is enough.

    Raises:
      UserError: the list cannot be read, a line names no image, or the list leaves a split without
        images, a class without training images but with others, or only one class to train on.
    """
    if data_dir.is_file() and data_dir.with_name(EXCLUDE).is_file():
        note = f"{EXCLUDE} beside {data_dir.name} was not read: leave out the rows themselves"
        return replace(bundle, notes=(*bundle.notes, note))
    parts = _path_to_root(data_dir, bundle)
    levels = range(len(parts) + 1)
    paths = [path for k in levels if (path := data_dir.joinpath(*parts[:k], EXCLUDE)).is_file()]
    if not paths:
        return bundle
    names = [name for split in bundle.splits.values() for name in split.ids]
    prefixes = ["/".join((*parts[k:], "")) for k in reversed(levels)]
    image_of = {prefix + name: name for prefix in prefixes for name in names}
    left_out = {name for path in paths for name in excluded(read_exclude(path), image_of, path)}
    where = " and ".join(map(str, paths))
    splits = {
        name: subset(split, np.flatnonzero([image not in left_out for image in split.ids]))
        for name, split in bundle.splits.items()
    }
    for name, split in splits.items():
        if not len(split):
            raise UserError(f"{where}: it leaves no image of {name}. Leave some in.")
    note = f"{len(left_out):,} images left out by {EXCLUDE}"
    remaining = replace(bundle, splits=splits, notes=(*bundle.notes, note))
    remaining = _without_emptied_classes(bundle, remaining, where)
    if len(remaining.classes) < 2 <= len(bundle.classes) and not judged:
        raise UserError(
            f"{where}: it leaves one class only, {', '.join(remaining.classes)}; expected two or"
            " more. Leave some images of another class in."
        )
    return remaining


def _path_to_root(data_dir: Path, bundle: DatasetBundle) -> tuple[str, ...]:
    """Returns the names of the folders that lead from `data_dir` to the folder that was read."""
    root = bundle.root or data_dir
    return root.relative_to(data_dir).parts if root.is_relative_to(data_dir) else ()


def _without_emptied_classes(
    before: DatasetBundle, after: DatasetBundle, where: str
) -> DatasetBundle:
    """Returns `after` without the classes whose training images are in `before` only."""
    if "train" not in after.splits:
        return after
    absent_before = absent_classes(before.splits["train"], before.classes)
    emptied = [
        name
        for name in absent_classes(after.splits["train"], after.classes)
        if name not in absent_before
    ]
    for name in emptied:
        number = after.classes.index(name)
        if other_counts := {
            k: n for k, s in after.splits.items() if (n := (s.labels == number).sum())
        }:
            others = ", ".join(f"{count:,} in {split}" for split, count in other_counts.items())
            raise UserError(
                f"{where}: it leaves no training image of {name}, only others ({others}). List"
                " these too, and the class is gone; or leave some training images in."
            )
    if not emptied:
        return after
    classes = tuple(name for name in after.classes if name not in emptied)
    number_of = np.array([classes.index(n) if n in classes else -1 for n in after.classes])
    splits = {
        name: replace(
            split,
            labels=number_of[split.labels].astype(np.int32),
            targets=None if split.targets is None else split.targets[:, number_of >= 0],
        )
        for name, split in after.splits.items()
    }
    note = f"{EXCLUDE} leaves no image of {', '.join(emptied)}: taken out of the classes"
    _log.warning("warning: %s", note)
    return replace(after, splits=splits, classes=classes, notes=(*after.notes, note))


def _hint(name: str, image_of: Iterable[str]) -> str:
    """Returns a hint with the most similar path; compares only paths with the same file name."""
    last = name.rpartition("/")[2]
    same_file_name = [other for other in image_of if other.rpartition("/")[2] == last]
    closest = difflib.get_close_matches(name, same_file_name, n=1, cutoff=0.0)
    return f" Did you mean {closest[0]!r}?" if closest else ""
