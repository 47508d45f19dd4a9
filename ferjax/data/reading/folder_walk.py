"""The images below class folders, found with one listing of each folder and no file opened."""

import os
from collections.abc import Iterator
from pathlib import Path

from ferjax.data.reading.class_folders import IMAGE_SUFFIXES, SYSTEM_FILES
from ferjax.data.reading.listing import Collector, Listing, shown
from ferjax.errors import UserError

# What trees and lists call their splits → ours.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}

# Folder seen, by device and inode → its path.
_Seen = dict[tuple[int, int], str]


def list_tree(root: Path) -> Listing:
    """Lists a folder of class folders, or of train/, val/ and test/ that each hold them.

    Images may lie at any depth below their class folder. Hidden and system files are passed over;
    other files that are no images are too, with a note. Names sort by code point.

    Raises:
      UserError: an image with no class, an empty class folder, a link that leads nowhere or to a
        folder listed already, a folder that cannot be read, an unknown split or two of one kind.
    """
    root = Path(root)
    seen: _Seen = {}
    strangers: list[str] = []
    collected = Collector(str(root))
    tops = _folders(str(root), seen)
    given = {name: SPLIT_NAMES.get(name.lower()) for name in tops}
    if "train" in given.values():
        for name, split in given.items():
            if split is None or [*given.values()].count(split) > 1:
                raise UserError(
                    f"{root / name}: beside a folder for train there may be one for val and one "
                    f"for test, found {', '.join(map(shown, given))}; move or merge"
                )
            for label in _folders(str(root / name), seen):
                columns = {"label": shown(label), "split": split}
                _collect(collected, root, f"{name}/{label}", columns, seen, strangers)
    else:
        for label in tops:
            _collect(collected, root, label, {"label": shown(label)}, seen, strangers)
    if not len(collected):
        raise UserError(
            f"{root}: no class folders; expected one folder of images for each class, or train/, "
            "val/ and test/ holding them"
        )
    notes = ()
    if strangers:
        first = shown(strangers[0])
        notes = (f"{len(strangers):,} files that are no images were passed over, first {first}",)
    return collected.listing(root, notes)


def _collect(
    collected: Collector,
    root: Path,
    name: str,
    columns: dict[str, str],
    seen: _Seen,
    strangers: list[str],
) -> None:
    """Adds the images below root/name."""
    before = len(collected)
    for image in _images(str(root), name, seen, strangers):
        collected.add(image, columns)
    if len(collected) == before:
        raise UserError(f"{root / name}: no images in this class folder; fill it or remove it")


def _folders(folder: str, seen: _Seen) -> list[str]:
    """Returns the names of the folders in `folder`, which may hold no images itself."""
    entries = _entries(folder, seen)
    lost = next((entry for entry, is_folder in entries if not is_folder and _is_image(entry)), None)
    if lost is not None:
        raise UserError(f"{lost.path}: an image beside the class folders has no class; move it")
    return [entry.name for entry, is_folder in entries if is_folder]


def _images(root: str, name: str, seen: _Seen, strangers: list[str]) -> Iterator[str]:
    """Yields the images below root/name, relative to root; other files go to `strangers`."""
    for entry, is_folder in _entries(f"{root}/{name}", seen):
        inner = f"{name}/{entry.name}"
        if is_folder:
            yield from _images(root, inner, seen, strangers)
        elif not _is_image(entry):
            strangers.append(inner)
        elif entry.is_file():
            yield inner
        else:
            raise UserError(f"{entry.path}: a link that leads nowhere, or no file; remove it")


def _is_image(entry: "os.DirEntry[str]") -> bool:
    return os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES


def _entries(folder: str, seen: _Seen) -> "list[tuple[os.DirEntry[str], bool]]":
    """Returns a folder's visible entries by name, each with whether it is a folder."""
    try:
        status = os.stat(folder)
        first = seen.setdefault((status.st_dev, status.st_ino), folder)
        if first != folder:
            raise UserError(f"{folder}: a link to {first}, which is listed already; remove it")
        with os.scandir(folder) as found:
            entries = sorted((e for e in found if _is_visible(e.name)), key=lambda e: e.name)
        return [(entry, entry.is_dir()) for entry in entries]
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be listed ({error.strerror}: {error.filename}); check its "
            "permissions and links"
        ) from error


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in SYSTEM_FILES
