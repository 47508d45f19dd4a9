"""Class folders on disk: lists their images; errors for missing classes and unknown layouts."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ferjax.data.decoding.image_file import image_header
from ferjax.emotions import canonical_name
from ferjax.errors import UserError, unknown_name

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg"}
    | {".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def class_folders(
    root: Path, classes: Mapping[str, str] | None = None
) -> dict[str, tuple[Path, ...]]:
    """Lists the images of a folder that contains one folder for each class.

    Hidden files and the system files of Windows and macOS are ignored. Files next to the class
    folders are ignored too, unless they are images.

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
    for entry in visible_entries(root):
        if entry.is_dir():
            key = canonical_name(entry.name)
            if classes is not None and key not in classes:
                raise unknown_name(f"class folder in {root}:", entry.name, classes)
            name = key if classes is None else classes[key]
            if name in folders:
                raise UserError(f"{folders[name]} and {entry} both mean {name!r}: merge them")
            folders[name] = entry
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            raise UserError(f"{entry}: an image beside the class folders has no class; move it")
    names = list(folders) if classes is None else list(classes.values())
    missing = [name for name in names if name not in folders]
    if missing or not names:
        raise UserError(
            f"{root}: no folder for {', '.join(missing) or 'any class'}; it {describe_path(root)}. "
            f"Expected one folder for each class: {', '.join(classes or ['anger', 'disgust'])}"
        )
    return {name: _class_images(folders[name]) for name in names}


def visible_entries(folder: Path) -> list[Path]:
    """Returns a folder's entries in natural order, without hidden and system files.

    Raises:
      UserError: the folder cannot be read.
    """
    try:
        entries = [e for e in Path(folder).iterdir() if not e.name.startswith(".")]
    except OSError as error:
        raise UserError(
            f"{folder}: the folder cannot be read ({error.strerror}). Check its permissions."
        ) from None
    return sorted((e for e in entries if e.name.lower() not in SYSTEM_FILES), key=_natural_sort_key)


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

    Hidden and system files are ignored. A file without suffix is an image if its content is one.

    Raises:
      UserError: `path` does not exist, or the folder contains no images.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder")
    files = sorted(f for f in path.rglob("*") if _is_visible(f.relative_to(path)) and _is_image(f))
    if not files:
        raise UserError(f"{path}: no images in this folder; it {describe_path(path)}")
    return files


def _is_visible(path: Path) -> bool:
    return not any(name.startswith(".") or name.lower() in SYSTEM_FILES for name in path.parts)


def _is_image(path: Path) -> bool:
    if path.suffix or not path.is_file():
        return path.suffix.lower() in IMAGE_SUFFIXES
    try:
        image_header(path)
    except UserError:
        return False
    return True


def layout_error(title: str, data_dir: Path, layouts: Iterable[str], source: str) -> UserError:
    """Returns the error for a `data_dir` that has no known layout of the data set `title`.

    Args:
      title: the data set's common name.
      data_dir: the folder that the user gave.
      layouts: descriptions of the layouts that were looked for.
      source: where to get the data set.
    """
    looked = "; ".join(layouts)
    return UserError(
        f"--data_dir={data_dir}: no {title} found, it {describe_path(data_dir)}. Looked for: "
        f"{looked}. Get {title} from {source}, unpack it and give its folder as --data_dir."
    )


def _class_images(folder: Path) -> tuple[Path, ...]:
    """Returns the image files of one class folder."""
    entries = visible_entries(folder)
    for entry in entries:
        if entry.is_dir() or entry.suffix.lower() not in IMAGE_SUFFIXES:
            what = "a folder" if entry.is_dir() else f"a {entry.suffix or 'nameless'} file"
            raise UserError(f"{entry}: {what} among the images of a class; move it elsewhere")
    if not entries:
        raise UserError(f"{folder}: no images in this class folder; copy the data set again")
    return tuple(entries)


def _natural_sort_key(path: Path) -> tuple[list[str | int], str]:
    """Returns a sort key that puts im2 before im10; different names have different keys."""
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name
