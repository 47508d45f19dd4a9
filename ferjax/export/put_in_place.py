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


def committed(written: Path, folder: Path, name: str) -> Path:
    """Renames a folder of finished files in this one step; returns its new path, in `folder`.

    From then on `finish_cut_move` completes what a kill cuts short.

    Args:
      written: a folder of the same disk.
      folder: where its files go.
      name: of the result.

    Raises:
      OSError: it cannot be renamed.
    """
    complete = _complete(folder, name)
    written.rename(complete)
    return complete


def finish_cut_move(folder: Path, name: str) -> bool:
    """Moves the rest of a result whose command was killed in `put_in_place`.

    Nothing is replaced but what the killed command had begun there itself.

    Returns:
      Whether there was one.

    Raises:
      OSError: the folder cannot be written.
    """
    complete = _complete(folder, name)
    if not complete.is_dir():
        return False
    for path in sorted(complete.iterdir()):
        target = folder / path.name
        if not os.path.lexists(target) or _is_begun(path, target):
            os.replace(path, target)
    shutil.rmtree(complete)
    return True


def _complete(folder: Path, name: str) -> Path:
    return folder / f".{name}.complete"


def _is_begun(path: Path, target: Path) -> bool:
    """Returns whether a target is what `_move` leaves of `path` where it is killed."""
    if target.is_dir():
        return path.is_dir() and not any(target.iterdir())
    return path.is_file() and (os.path.samefile(path, target) or not target.stat().st_size)


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
