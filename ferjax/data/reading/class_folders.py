"""Class folders on disk, and the error that says what a data directory holds instead."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ferjax.emotions import canonical_name
from ferjax.errors import UserError, unknown_name

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp", ".pgm", ".ppm", ".tif", ".tiff"}
)
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def class_folders(
    root: Path, classes: Mapping[str, str] | None = None
) -> dict[str, tuple[Path, ...]]:
    """Lists the images of a folder that holds one folder for each class.

    Hidden files and what Windows and macOS leave behind are passed over; files that lie beside the
    class folders are too, unless they are images.

    Args:
      root: the folder that holds the class folders.
      classes: folder name → class name. Every class must be there and no other; names are compared
        after `canonical_name`. None: each folder is a class, its name the canonical one.

    Returns:
      Class name → its image files in natural order (im2 before im10), classes in the order of
      `classes`, else by folder name.

    Raises:
      UserError: a class folder is unknown, missing or empty, two mean the same class, or there is
        a file that is no image.
    """
    found: dict[str, Path] = {}
    for entry in visible(root):
        if entry.is_dir():
            key = canonical_name(entry.name)
            if classes is not None and key not in classes:
                raise unknown_name(f"class folder in {root}:", entry.name, classes)
            name = key if classes is None else classes[key]
            if name in found:
                raise UserError(f"{found[name]} and {entry} both mean {name!r}: merge them")
            found[name] = entry
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            raise UserError(f"{entry}: an image beside the class folders has no class; move it")
    names = list(found) if classes is None else list(classes.values())
    missing = [name for name in names if name not in found]
    if missing or not names:
        raise UserError(
            f"{root}: no folder for {', '.join(missing) or 'any class'}; it {holds(root)}. "
            f"Expected one folder for each class: {', '.join(classes or ['anger', 'disgust'])}"
        )
    return {name: _images(found[name]) for name in names}


def visible(folder: Path) -> list[Path]:
    """Returns a folder's entries in natural order, without hidden and system files.

    Raises:
      UserError: the folder may not be read.
    """
    try:
        entries = [e for e in Path(folder).iterdir() if not e.name.startswith(".")]
    except OSError as error:
        raise UserError(
            f"{folder}: the folder cannot be read ({error.strerror}). Check its permissions."
        ) from None
    return sorted((e for e in entries if e.name.lower() not in SYSTEM_FILES), key=_natural)


def holds(path: Path, most: int = 8) -> str:
    """Returns in words what is at `path`: "holds a, b, c and 12 more" and the like."""
    path = Path(path)
    if path.is_file():
        return f"is a file of {path.stat().st_size:,} bytes"
    if not path.exists():
        return "does not exist"
    names = [entry.name + "/" * entry.is_dir() for entry in visible(path)]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"holds {', '.join(names[:most])}{more}" if names else "is empty"


def image_files(path: Path) -> list[Path]:
    """Returns a file as it is, or the image files anywhere below a folder, sorted.

    Raises:
      UserError: nothing is at `path`, or the folder holds no images.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder")
    found = sorted(f for f in path.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise UserError(f"{path}: no images in this folder; it {holds(path)}")
    return found


def layout_error(title: str, data_dir: Path, layouts: Iterable[str], source: str) -> UserError:
    """Returns the error for a `data_dir` in which no layout of the data set `title` was found.

    Args:
      title: the data set, as a person calls it.
      data_dir: what the user gave.
      layouts: each layout that was looked for, in words.
      source: where to get the data set.
    """
    looked = "; ".join(layouts)
    return UserError(
        f"--data_dir={data_dir}: no {title} found, it {holds(data_dir)}. Looked for: {looked}. "
        f"Get {title} from {source}, unpack it and give its folder as --data_dir."
    )


def _images(folder: Path) -> tuple[Path, ...]:
    """Returns the image files of one class folder."""
    entries = visible(folder)
    for entry in entries:
        if entry.is_dir() or entry.suffix.lower() not in IMAGE_SUFFIXES:
            what = "a folder" if entry.is_dir() else f"a {entry.suffix or 'nameless'} file"
            raise UserError(f"{entry}: {what} among the images of a class; move it elsewhere")
    if not entries:
        raise UserError(f"{folder}: no images in this class folder; copy the data set again")
    return tuple(entries)


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Returns the key that sorts im2 before im10 and never ties."""
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name
