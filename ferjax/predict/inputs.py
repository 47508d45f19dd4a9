"""Lists the inputs of a command: images in files, folders, globs and archives, and csv rows."""

import glob
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferjax.data.decoding.unreadable_file import is_web_address
from ferjax.data.reading.class_folders import entries_in_order
from ferjax.data.reading.image_names import IMAGE_SUFFIXES, is_image, is_visible
from ferjax.data.reading.pixel_csv import count_pixel_rows
from ferjax.errors import UserError
from ferjax.predict.archives import is_archive, member_names

# Statuses of inputs that are not read.
HIDDEN, NO_IMAGE, UNREADABLE = "hidden", "no image", "unreadable"


@dataclass(frozen=True, slots=True)
class Input:
    """One file, archive member or csv row that a command names.

    It has one line in the table, or one for each of its faces.

    Attributes:
      name: its name in the table: the path, `archive.zip/member`, or `file.csv:row`, rows from 1.
      path: the file.
      member: its name in the archive `path`, or None.
      row: its row in the pixel csv `path`, from 0, or None.
      status: why it is not read, `HIDDEN`, `NO_IMAGE` or `UNREADABLE` (a folder that cannot be
        listed), or None.
    """

    name: str
    path: Path
    member: str | None = None
    row: int | None = None
    status: str | None = None


def list_inputs(
    words: Sequence[str], listed: Iterable[str] = (), own: Collection[Path] = ()
) -> list[Input]:
    """Returns the inputs that the words name, in their order.

    A folder stands for all files below it. Hidden files, and files that are no images, are inputs
    too; their status says so. A link to a folder above itself is not followed.

    Args:
      words: files, folders, archives (.zip, .tar and compressed ones), csv files with a column
        `pixels`, globs, and `-` for the list.
      listed: lines of the list, one path in each. A path that does not exist is listed too, and its
        line in the table says that it is unreadable.
      own: files and folders that the command itself writes; they are left out of the files below a
        folder.

    Raises:
      UserError: a word names nothing, an archive or a csv cannot be read, or there is no image.
    """
    inputs: list[Input] = []
    own_paths = frozenset(Path(os.path.abspath(path)) for path in own)
    for word in words:
        paths = _listed_paths(listed) if word == "-" else _matching_paths(word)
        # A file that a pattern or a list names may be unreadable: its line in the table says so.
        one_word = paths == [Path(os.path.expanduser(word))]
        for path in paths:
            try:
                inputs += _inputs_of(path, own_paths, must_exist=one_word)
            except UserError:
                if one_word:
                    raise
                inputs.append(Input(str(path), path, status=UNREADABLE))
    if not inputs:
        raise UserError(f"{' '.join(words)}: no files there. Name images, folders or archives.")
    if all(each.status for each in inputs):
        raise UserError(
            f"{' '.join(words)}: no images among {len(inputs):,} files, {inputs[0].name} first."
        )
    return inputs


def part_of_inputs(inputs: Sequence[Input], part: str) -> Sequence[Input]:
    """Returns the K-th of N consecutive parts of the inputs, for the text `K/N`, K from 1.

    Raises:
      UserError: the text has another form.
    """
    number, slash, count = part.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UserError(f"--part={part}: expected K/N, such as 1/4, 2/4, 3/4 and 4/4.")
    first, end = (k * len(inputs) // int(count) for k in (int(number) - 1, int(number)))
    return inputs[first:end]


def _listed_paths(listed: Iterable[str]) -> list[Path]:
    return [Path(os.path.expanduser(line.rstrip("\r\n"))) for line in listed if line.strip()]


def _matching_paths(word: str) -> list[Path]:
    """Returns the path itself, or the paths that the glob matches."""
    path = Path(os.path.expanduser(word))
    if os.path.lexists(path) or not glob.has_magic(word):
        return [path]
    matches = sorted(map(Path, glob.glob(str(path), recursive=True)))
    if not matches:
        raise UserError(f"{word}: the pattern matches no file.")
    return matches


def _inputs_of(path: Path, own_paths: Collection[Path], *, must_exist: bool) -> Iterator[Input]:
    """Yields the inputs in a path: its files, its members, its rows, or itself."""
    # Functions of os.path return False for a path that cannot be accessed; methods of Path raise.
    is_file = os.path.isfile(path)
    if os.path.isdir(path):
        yield from _inputs_below(path, own_paths, ())
    elif must_exist and is_web_address(path):
        raise UserError(f"{path}: a web address; only files are read: download the image first.")
    elif must_exist and not os.path.exists(path):
        raise UserError(f"{path}: no such file or folder.")
    elif is_file and is_archive(path):
        yield from (_member(path, name) for name in member_names(path))
    elif is_file and path.suffix.lower() == ".csv":
        count = count_pixel_rows(path)
        if not count:
            raise UserError(f"{path}: a header and no rows; expected a face in each row.")
        yield from (Input(f"{path}:{row + 1}", path, row=row) for row in range(count))
    else:
        yield Input(str(path), path)


def _member(path: Path, name: str) -> Input:
    """Returns the input for a file in an archive."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    status = None
    if not all(map(is_visible, parts)):
        status = HIDDEN
    elif Path(name).suffix.lower() not in IMAGE_SUFFIXES:
        status = NO_IMAGE
    return Input(f"{path}/{name}", path, member=name, status=status)


def _inputs_below(
    folder: Path, own_paths: Collection[Path], parents: tuple[tuple[int, int], ...]
) -> Iterator[Input]:
    """Yields the files below a folder; `parents` are (device, inode) of the folders above it."""
    try:
        status = folder.stat()
        entries = entries_in_order(folder)
    except (OSError, UserError):
        yield Input(str(folder), folder, status=UNREADABLE)
        return
    folder_id = status.st_dev, status.st_ino
    if folder_id in parents:
        return
    folder_path = os.path.abspath(folder)
    own_names = [path.name for path in own_paths if str(path.parent) == folder_path]
    for entry in entries:
        if own_names and _is_written(entry.name, own_names):
            continue
        if not is_visible(entry.name):
            yield Input(str(entry), entry, status=HIDDEN)
        elif os.path.isdir(entry):
            yield from _inputs_below(entry, own_paths, (*parents, folder_id))
        else:
            yield Input(str(entry), entry, status=None if is_image(entry) else NO_IMAGE)


def _is_written(name: str, own_names: Collection[str]) -> bool:
    """Returns whether a file is a result of this command, or a temporary name of one."""
    return name in own_names or (
        name.endswith(".tmp") and any(name.startswith(f".{each}.") for each in own_names)
    )
