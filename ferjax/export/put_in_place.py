"""Puts finished files into a folder of the user's: all of them or none, and never over others."""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from ferjax.errors import UserError


@contextlib.contextmanager
def made_folder(folder: Path) -> Iterator[Path]:
    """Yields the resolved path of a folder, which is made where it is missing.

    What was made for it is removed again where it is still empty when the block ends.

    Raises:
      OSError: it cannot be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder.resolve()
    finally:
        with contextlib.suppress(OSError):
            for place in missing:
                place.rmdir()


def put_in_place(written: Path, folder: Path, shared: Collection[str] = ()) -> None:
    """Moves everything in `written` into a folder of the same disk, without replacing anything.

    Another command may write the same names at the same time: the one that comes second gives way,
    and takes back what it has moved.

    Args:
      written: a folder.
      folder: where its files and folders go.
      shared: names of files that may be there already with the same bytes.

    Raises:
      UserError: one of the names is taken.
      OSError: the folder cannot be written.
    """
    moved: list[Path] = []
    target = folder
    try:
        for path in sorted(written.iterdir()):
            target = folder / path.name
            if path.name in shared and target.is_file():
                if target.read_bytes() != path.read_bytes():
                    raise FileExistsError(target)
                continue
            _move(path, target)
            moved.append(target)
    except BaseException as error:
        for own in moved:
            _remove(own)
        if isinstance(error, FileExistsError):
            raise UserError(
                f"{target} was written by another command meanwhile; nothing of this one is left"
                f" in {folder}. Give another --out or --name."
            ) from None
        raise


def _move(path: Path, target: Path) -> None:
    """Moves a file or folder; raises `FileExistsError` where the target exists."""
    if path.is_dir():
        # A folder may be renamed to an empty one, so the name is taken first.
        target.mkdir()
    else:
        try:
            os.link(path, target)
            return
        except FileExistsError:
            raise
        except OSError:
            # The disk has no links; a name that is taken is refused all the same.
            target.touch(exist_ok=False)
    try:
        os.replace(path, target)
    except OSError:
        _remove(target)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
