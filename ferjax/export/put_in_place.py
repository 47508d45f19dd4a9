"""Puts finished files into a user's folder: all or none of them, and never over other files."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from ferjax.errors import UserError


@contextlib.contextmanager
def made_folder(folder: Path) -> Iterator[Path]:
    """Yields the resolved path of a folder, which is made if it is missing.

    The folder and the parents that were made are removed again if they are still empty when the
    block ends.

    Raises:
      OSError: the folder cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder.resolve()
    finally:
        with contextlib.suppress(OSError):
            for path in missing:
                path.rmdir()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Waits until no other command moves files into a folder, and keeps others waiting.

    The folder itself is locked, so no lock file stays there; the lock ends with the process. A
    network file system may have no such lock: there the block runs without it.

    Raises:
      OSError: the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def committed(written: Path, folder: Path, name: str) -> Path:
    """Marks a folder of finished files as complete, by a rename; returns its new path in `folder`.

    After this step `finish_cut_move` can finish the work of a command that is killed.

    Args:
      written: a folder on the same disk.
      folder: the folder into which its files will be moved.
      name: name of the result.

    Raises:
      OSError: the folder cannot be renamed.
    """
    complete = _complete(folder, name)
    written.rename(complete)
    return complete


def finish_cut_move(folder: Path, name: str) -> bool:
    """Moves the remaining files of a result whose command was killed in `put_in_place`.

    No file is replaced, except one that the killed command had begun to move. The caller has
    `locked` the folder: otherwise the files may be those of a command that is moving them now.

    Returns:
      Whether there was such a result.

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
    """Returns the path of a complete result whose files have not all been moved yet."""
    return folder / f".{name}.complete"


def _is_begun(path: Path, target: Path) -> bool:
    """Returns whether a target is the beginning of a move of `path`, left by a killed `_move`."""
    if target.is_dir():
        return path.is_dir() and not any(target.iterdir())
    return path.is_file() and (os.path.samefile(path, target) or not target.stat().st_size)


def put_in_place(written: Path, folder: Path, shared: Collection[str] = ()) -> None:
    """Moves everything in `written` into a folder on the same disk, without replacing anything.

    Another program may write the same names at the same time: then the files that have been moved
    are removed again. The caller has `locked` the folder.

    Args:
      written: a folder.
      folder: the folder into which its files and folders are moved.
      shared: names of files that may already be there with the same bytes.

    Raises:
      UserError: one of the names already exists.
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
        for path in moved:
            _remove(path)
        if isinstance(error, FileExistsError):
            raise UserError(
                f"{target} was written by another command meanwhile; nothing of this one is left"
                f" in {folder}. Give another --out or --name."
            ) from None
        raise


def _move(path: Path, target: Path) -> None:
    """Moves a file or folder; raises `FileExistsError` if the target exists."""
    if path.is_dir():
        # A rename would replace an empty folder, so mkdir reserves the name first.
        target.mkdir()
    else:
        try:
            os.link(path, target)
            return
        except FileExistsError:
            raise
        except OSError:
            # The disk has no hard links; touch also refuses a name that exists.
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
