"""What the words of a command name: images in files, folders, globs and archives, and csv rows."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferjax.data.reading.class_folders import entries_in_order
from ferjax.data.reading.image_names import IMAGE_SUFFIXES, is_image, is_visible
from ferjax.data.reading.pixel_csv import count_pixel_rows
from ferjax.errors import UserError
from ferjax.predict.archives import is_archive, member_names

# Statuses of inputs that are not read.
HIDDEN, NO_IMAGE = "hidden", "no image"


@dataclass(frozen=True)
class Input:
    """One thing that a command names; it has a line of the table, or several if it has faces.

    Attributes:
      name: for the table: the path, `archive.zip/member`, or `file.csv:row`, rows from 1.
      path: the file.
      member: its name in the archive `path`, or None.
      row: its row in the pixel csv `path`, from 0, or None.
      status: why it is not read, `HIDDEN` or `NO_IMAGE`, or None.
    """

    name: str
    path: Path
    member: str | None = None
    row: int | None = None
    status: str | None = None


def list_inputs(words: Sequence[str], listed: Iterable[str] = ()) -> list[Input]:
    """Returns the inputs that the words name, in their order.

    A folder stands for all files below it, hidden ones and those that are no images included: each
    has a status. A link to a folder above itself is not followed.

    Args:
      words: files, folders, archives (.zip, .tar and compressed ones), csv files with a column
        `pixels`, globs, and `-` for the list.
      listed: lines of the list, a path each; a path that is not there is an input all the same, so
        that its line says so.

    Raises:
      UserError: a word that names nothing, an archive or a csv that cannot be read, no input.
    """
    inputs: list[Input] = []
    for word in words:
        if word == "-":
            paths = (Path(line.rstrip("\r\n")).expanduser() for line in listed if line.strip())
            inputs += [each for path in paths for each in _inputs_of(path, must_exist=False)]
        else:
            inputs += [each for path in _paths(word) for each in _inputs_of(path)]
    if not inputs:
        raise UserError(f"{' '.join(words)}: no files there. Name images, folders or archives.")
    if all(each.status for each in inputs):
        raise UserError(
            f"{' '.join(words)}: no images among {len(inputs):,} files, {inputs[0].name} first."
        )
    return inputs


def _paths(word: str) -> list[Path]:
    """Returns the path, or those that the glob matches."""
    path = Path(word).expanduser()
    if os.path.lexists(path) or not glob.has_magic(word):
        return [path]
    found = sorted(map(Path, glob.glob(str(path), recursive=True)))
    if not found:
        raise UserError(f"{word}: the pattern matches no file.")
    return found


def _inputs_of(path: Path, *, must_exist: bool = True) -> Iterator[Input]:
    if path.is_dir():
        yield from _inputs_below(path, ())
    elif must_exist and not path.exists():
        raise UserError(f"{path}: no such file or folder.")
    elif path.is_file() and is_archive(path):
        yield from (_member(path, name) for name in member_names(path))
    elif path.is_file() and path.suffix.lower() == ".csv":
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


def _inputs_below(folder: Path, parents: tuple[tuple[int, int], ...]) -> Iterator[Input]:
    status = folder.stat()
    place = status.st_dev, status.st_ino
    for entry in () if place in parents else entries_in_order(folder):
        if not is_visible(entry.name):
            yield Input(str(entry), entry, status=HIDDEN)
        elif entry.is_dir():
            yield from _inputs_below(entry, (*parents, place))
        else:
            yield Input(str(entry), entry, status=None if is_image(entry) else NO_IMAGE)
