"""What the words of a command name: images in files, folders, globs and archives, and csv rows."""

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
    """One thing that a command names; it has a line of the table, or several if it has faces.

    Attributes:
      name: for the table: the path, `archive.zip/member`, or `file.csv:row`, rows from 1.
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

    A folder stands for all files below it, hidden ones and those that are no images included: each
    has a status. A link to a folder above itself is not followed.

    Args:
      words: files, folders, archives (.zip, .tar and compressed ones), csv files with a column
        `pixels`, globs, and `-` for the list.
      listed: lines of the list, a path each; a path that is not there is an input all the same, so
        that its line says so.
      own: files and folders that the command itself writes; below a folder they are left out.

    Raises:
      UserError: a word that names nothing, an archive or a csv that cannot be read, no input.
    """
    inputs: list[Input] = []
    places = frozenset(Path(os.path.abspath(path)) for path in own)
    for word in words:
        paths = _lines(listed) if word == "-" else _paths(word)
        # What a pattern or a list names need not be readable: its line says so.
        one_word = paths == [Path(os.path.expanduser(word))]
        for path in paths:
            try:
                inputs += _inputs_of(path, places, must_exist=one_word)
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
      UserError: a text of another form.
    """
    number, slash, count = part.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UserError(f"--part={part}: expected K/N, such as 1/4, 2/4, 3/4 and 4/4.")
    first, end = (k * len(inputs) // int(count) for k in (int(number) - 1, int(number)))
    return inputs[first:end]


def _lines(listed: Iterable[str]) -> list[Path]:
    return [Path(os.path.expanduser(line.rstrip("\r\n"))) for line in listed if line.strip()]


def _paths(word: str) -> list[Path]:
    """Returns the path, or those that the glob matches."""
    path = Path(os.path.expanduser(word))
    if os.path.lexists(path) or not glob.has_magic(word):
        return [path]
    found = sorted(map(Path, glob.glob(str(path), recursive=True)))
    if not found:
        raise UserError(f"{word}: the pattern matches no file.")
    return found


def _inputs_of(path: Path, own: Collection[Path], *, must_exist: bool) -> Iterator[Input]:
    # These answer False for what cannot be looked at, where methods of Path raise.
    is_file = os.path.isfile(path)
    if os.path.isdir(path):
        yield from _inputs_below(path, own, ())
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
    folder: Path, own: Collection[Path], parents: tuple[tuple[int, int], ...]
) -> Iterator[Input]:
    try:
        status = folder.stat()
        entries = entries_in_order(folder)
    except (OSError, UserError):
        yield Input(str(folder), folder, status=UNREADABLE)
        return
    place = status.st_dev, status.st_ino
    here = os.path.abspath(folder)
    written = [path.name for path in own if str(path.parent) == here]
    for entry in () if place in parents else entries:
        if written and _is_written(entry.name, written):
            continue
        if not is_visible(entry.name):
            yield Input(str(entry), entry, status=HIDDEN)
        elif os.path.isdir(entry):
            yield from _inputs_below(entry, own, (*parents, place))
        else:
            yield Input(str(entry), entry, status=None if is_image(entry) else NO_IMAGE)


def _is_written(name: str, own: Collection[str]) -> bool:
    """Returns whether a file is a result of this command, or a temporary name of one."""
    return name in own or (
        name.endswith(".tmp") and any(name.startswith(f".{each}.") for each in own)
    )
