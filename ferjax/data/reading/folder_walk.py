"""Lists the images of a user's class folders, also inside train/, val/ and test/; opens no file."""

import os
from collections.abc import Iterator
from pathlib import Path

from ferjax.data.reading.class_folders import unpacked, unread_lists
from ferjax.data.reading.image_names import is_image, is_visible
from ferjax.data.reading.image_table_columns import Listing, ListingBuilder
from ferjax.data.reading.split_names import split_named
from ferjax.errors import UserError, printable

_NO_LABELS = (
    "its images are in no class folders, so they have no labels to train on or to judge by;"
    " expected one folder of images for each class. launch.predict names their emotions"
)

# (device, inode) of each folder that was visited → its path.
_Visited = dict[tuple[int, int], str]


def list_tree(root: Path) -> Listing:
    """Lists a folder of class folders, or one of train/, val/ and test/ with class folders in each.

    Images may be at any depth below their class folder. Hidden and system files are ignored. Other
    files that are not images, and lists beside the class folders, are ignored too, with a note. A
    val/ or test/ whose images are in no class folder has no labels; it is also ignored, with a
    note. Names are sorted by code point.

    Raises:
      UserError: an image without a class, an empty class folder, a broken link or a link to a
        folder that was listed already, a folder that cannot be read, an unknown split folder, or
        two folders for one split.
    """
    root = Path(root)
    visited: _Visited = {}
    other_files: list[str] = []
    builder = ListingBuilder(str(root))
    top_folders = _folders(str(root), visited)
    if top_folders is None:
        raise UserError(f"{root}: {_NO_LABELS}")
    unlabelled = []
    split_of = {name: split_named(name) for name in top_folders}
    if "train" in split_of.values() or (split_of and all(split_of.values())):
        for name, split in split_of.items():
            if split is None or [*split_of.values()].count(split) > 1:
                raise UserError(
                    f"{root / name}: beside a folder for train there may be one for val and one "
                    f"for test, found {', '.join(map(printable, split_of))}; move or merge"
                )
            class_root = unpacked(root / name)
            labels = _folders(str(class_root), visited)
            if labels is None:
                unlabelled.append(name)
            for label in labels or ():
                columns = {"label": printable(label), "split": split}
                folder = (class_root / label).relative_to(root).as_posix()
                _add_images(builder, root, folder, columns, visited, other_files)
    else:
        for label in top_folders:
            _add_images(builder, root, label, {"label": printable(label)}, visited, other_files)
    if unlabelled and ("train" in map(split_of.get, unlabelled) or not len(builder)):
        raise UserError(f"{root / unlabelled[0]}: {_NO_LABELS}")
    if not len(builder):
        raise UserError(
            f"{root}: no class folders; expected one folder of images for each class, or train/, "
            "val/ and test/ holding them"
        )
    notes = unread_lists(root)
    notes += tuple(f"{printable(name)}/ was not read: {_NO_LABELS}" for name in unlabelled)
    if other_files:
        first = printable(other_files[0])
        notes += (f"{len(other_files):,} files that are no images were passed over, first {first}",)
    return builder.listing(root, notes)


def _add_images(
    builder: ListingBuilder,
    root: Path,
    name: str,
    columns: dict[str, str],
    visited: _Visited,
    other_files: list[str],
) -> None:
    """Adds the images below root/name."""
    count_before = len(builder)
    for image in _images(str(root), name, visited, other_files):
        builder.add(image, columns)
    if len(builder) == count_before:
        raise UserError(f"{root / name}: no images in this class folder; fill it or remove it")


def _folders(folder: str, visited: _Visited) -> list[str] | None:
    """Returns the names of the folders in `folder`, or None if it holds images and no folders.

    Images beside folders are an error.
    """
    entries = _entries(folder, visited)
    stray_image = next(
        (entry for entry, is_folder in entries if not is_folder and is_image(entry.path)), None
    )
    if stray_image is not None and not any(is_folder for _, is_folder in entries):
        return None
    if stray_image is not None:
        raise UserError(
            f"{stray_image.path}: an image beside the class folders has no class; move it"
        )
    return [entry.name for entry, is_folder in entries if is_folder]


def _images(root: str, name: str, visited: _Visited, other_files: list[str]) -> Iterator[str]:
    """Yields the images below root/name, relative to root; appends others to `other_files`."""
    for entry, is_folder in _entries(f"{root}/{name}", visited):
        inner = f"{name}/{entry.name}"
        if is_folder:
            yield from _images(root, inner, visited, other_files)
        elif not is_image(entry.path):
            other_files.append(inner)
        elif entry.is_file():
            yield inner
        else:
            raise UserError(f"{entry.path}: a link that leads nowhere, or no file; remove it")


def _entries(folder: str, visited: _Visited) -> "list[tuple[os.DirEntry[str], bool]]":
    """Returns (entry, whether it is a folder) of a folder's visible entries, sorted by name."""
    try:
        status = os.stat(folder)
        first_path = visited.setdefault((status.st_dev, status.st_ino), folder)
        if first_path != folder:
            raise UserError(f"{folder}: a link to {first_path}, which is listed already; remove it")
        with os.scandir(folder) as scan:
            entries = sorted((e for e in scan if is_visible(e.name)), key=lambda e: e.name)
        return [(entry, entry.is_dir()) for entry in entries]
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be listed ({error.strerror}: {error.filename}); check its "
            "permissions and links"
        ) from error
