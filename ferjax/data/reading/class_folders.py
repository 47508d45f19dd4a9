"""Class folders on disk: lists their images; errors for missing classes and unknown layouts."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ferjax.data.reading.image_names import is_image, is_visible
from ferjax.data.reading.split_names import split_named
from ferjax.emotions import EMOTIONS, canonical_name
from ferjax.errors import UserError, printable, unknown_name

# Files that may be lists of images, and those that ferjax itself reads or writes beside images.
_LIST_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".xlsx", ".xls", ".txt"})
_OWN_FILES = frozenset({"exclude.txt", "classes.txt", "crops.csv", "no_face.txt"})
_OWN_IMAGES = "Images of your own go in with --dataset=folder."


class LayoutError(UserError):
    """A folder has no known layout of the data set; a folder in it may have one."""


def class_folders(
    root: Path, classes: Mapping[str, str] | None = None
) -> dict[str, tuple[Path, ...]]:
    """Lists the images of a folder that contains one folder for each class.

    Hidden files and the system files of Windows and macOS are ignored. Files next to the class
    folders are ignored too, unless they are images (`unread_lists` names them).

    Args:
      root: the folder that contains the class folders.
      classes: folder name → class name. All of these classes must exist and no others; names are
        compared after `canonical_name`. None: each folder is a class with its canonical name.

    Returns:
      Class name → its image files in natural order (im2 before im10), classes in the order of
      `classes`, else by folder name.

    Raises:
      UserError: a class folder is unknown, missing or empty, two folders mean the same class, or
        there is a file that is not an image.
    """
    folders: dict[str, Path] = {}
    root = unpacked(root)
    for entry in visible_entries(root):
        if entry.is_dir():
            key = canonical_name(entry.name)
            if classes is not None and key not in classes:
                error = unknown_name(f"class folder in {root}:", entry.name, classes)
                raise UserError(f"{error} {_OWN_IMAGES}")
            name = key if classes is None else classes[key]
            if name in folders:
                raise UserError(f"{folders[name]} and {entry} both mean {name!r}: merge them")
            folders[name] = entry
        elif is_image(entry):
            raise UserError(f"{entry}: an image beside the class folders has no class; move it")
    names = list(folders) if classes is None else list(classes.values())
    missing = [name for name in names if name not in folders]
    if missing or not names:
        raise UserError(
            f"{root}: no folder for {', '.join(missing) or 'any class'}; it {describe_path(root)}. "
            f"Expected one folder for each class: {', '.join(classes or ['anger', 'disgust'])}"
            + f". {_OWN_IMAGES}"
            * (classes is not None)
        )
    return {name: _class_images(folders[name]) for name in names}


def visible_entries(folder: Path) -> list[Path]:
    """Returns a folder's entries in natural order, without hidden and system files.

    Raises:
      UserError: the folder cannot be read.
    """
    return [entry for entry in entries_in_order(folder) if is_visible(entry.name)]


def entries_in_order(folder: Path) -> list[Path]:
    """Returns all entries of a folder in natural order.

    Raises:
      UserError: the folder cannot be read.
    """
    try:
        entries = list(Path(folder).iterdir())
    except OSError as error:
        raise UserError(
            f"{folder}: the folder cannot be read ({error.strerror}). Check its permissions."
        ) from None
    return sorted(entries, key=_natural_sort_key)


def unpacked(folder: Path, splits: bool = False) -> Path:
    """Returns `folder`, or the folder in it that an archive was unpacked into, at any depth.

    The inner folder must be the only folder in it, must not be named as a class, and must contain
    class folders.

    Args:
      folder: the folder that a user gives as the folder of the class folders.
      splits: whether folders of splits are accepted as well as class folders.
    """

    def is_class_or_split(name: str) -> bool:
        is_class = canonical_name(name) in EMOTIONS or name.isdecimal()
        return is_class or (splits and split_named(name) is not None)

    folders = _folders(folder)
    if len(folders) == 1 and not is_class_or_split(folders[0].name):
        inner = unpacked(folders[0], splits)
        if any(is_class_or_split(entry.name) for entry in _folders(inner)):
            return inner
    return Path(folder)


def namesake(folder: Path) -> Path:
    """Returns `folder`, or the folder of the same name in it that an archive was unpacked into."""
    while (inner := folder / folder.name).is_dir():
        folder = inner
    return folder


def only_folder(folder: Path) -> Path | None:
    """Returns the folder in `folder` if there is just one; None otherwise."""
    folders = _folders(folder)
    return folders[0] if len(folders) == 1 else None


def _folders(folder: Path) -> list[Path]:
    """Returns the visible folders in `folder`; none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [Path(e.path) for e in entries if is_visible(e.name) and e.is_dir()]
    except OSError:
        return []


def unread_lists(folder: Path, *read: str) -> tuple[str, ...]:
    """Returns a note that names the lists beside class folders, or no note if there are none.

    Args:
      folder: the folder of the class folders.
      *read: names of files that were read.
    """
    names = [
        printable(entry.name)
        for entry in visible_entries(folder)
        if entry.suffix.lower() in _LIST_SUFFIXES
        and entry.name not in (*_OWN_FILES, *read)
        and entry.is_file()
    ]
    if not names:
        return ()
    shown = ", ".join(names[:3]) + f" and {len(names) - 3:,} more" * (len(names) > 3)
    return (f"beside the class folders, not read: {shown}; the folders are the labels",)


def describe_path(path: Path, most: int = 8) -> str:
    """Returns a phrase that says what `path` is, such as "holds a, b, c and 12 more"."""
    path = Path(path)
    if path.is_file():
        return f"is a file of {path.stat().st_size:,} bytes"
    if not path.exists():
        return "does not exist"
    names = [entry.name + "/" * entry.is_dir() for entry in visible_entries(path)]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"holds {', '.join(names[:most])}{more}" if names else "is empty"


def image_files(path: Path) -> list[Path]:
    """Returns [path] for a file, or the sorted image files at any depth below a folder.

    Hidden and system files are ignored and links are followed, as in all readers.

    Raises:
      UserError: `path` does not exist, or the folder contains no images.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder")
    files = [file for file in visible_files(path) if is_image(file)]
    if not files:
        raise UserError(f"{path}: no images in this folder; it {describe_path(path)}")
    return files


def visible_files(folder: Path) -> list[Path]:
    """Returns the sorted files at any depth below a folder, without hidden and system files."""
    return sorted(_files_below(folder, ()))


def _files_below(folder: Path, parents: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Yields the files below a folder; a link to one of its parents is not followed."""
    status = folder.stat()
    folder_id = status.st_dev, status.st_ino
    for entry in () if folder_id in parents else visible_entries(folder):
        if entry.is_dir():
            yield from _files_below(entry, (*parents, folder_id))
        else:
            yield entry


def layout_error(
    title: str, data_dir: Path, layouts: Iterable[str], source: str | None
) -> LayoutError:
    """Returns the error for a `data_dir` that has no known layout of the data set `title`.

    Args:
      title: the data set's common name.
      data_dir: the folder that the user gave.
      layouts: descriptions of the layouts that were looked for.
      source: where to get the data set; None for images of the user's own.
    """
    if not data_dir.exists():
        origin = f" Source of {title}: {source}." if source else ""
        return LayoutError(f"--data_dir={data_dir} does not exist. Correct the path.{origin}")
    advice = f"Get {title} from {source}, unpack it" if source else "Sort them in one of these ways"
    layouts_text = "; ".join(layouts)
    return LayoutError(
        f"--data_dir={data_dir}: no {title} found, it {describe_path(data_dir)}. Looked for: "
        f"{layouts_text}. {advice} and give the folder as --data_dir."
        + f" {_OWN_IMAGES}"
        * (source is not None)
    )


def _class_images(folder: Path) -> tuple[Path, ...]:
    """Returns the image files of one class folder."""
    entries = visible_entries(folder)
    for entry in entries:
        if entry.is_dir() or not is_image(entry):
            kind = "a folder" if entry.is_dir() else f"a {entry.suffix or 'nameless'} file"
            raise UserError(f"{entry}: {kind} among the images of a class; move it elsewhere")
    if not entries:
        raise UserError(f"{folder}: no images in this class folder; copy the data set again")
    return tuple(entries)


def _natural_sort_key(path: Path) -> tuple[list[str | int], str]:
    """Returns a sort key that puts im2 before im10; different names have different keys."""
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name
