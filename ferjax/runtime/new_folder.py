"""The folder of a result: new or empty, because nothing that a user made is overwritten."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.atomic_files import remove_left_by_killed_processes, temporary_beside

# The temporary folder in the new one, and its name from when all files in it are complete.
_STAGING, _COMPLETE = "unfinished", ".complete"


def check_new_folder(folder: Path) -> Path:
    """Returns the folder; raises `UserError` if it holds something, or is a file.

    Where a command was killed while it moved its finished files into the folder, the rest of them
    is moved first: its result is whole, and is not overwritten either.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out={folder} is a file. Name a new folder.")
    if folder.is_dir():
        with _as_user_error(folder):
            remove_left_by_killed_processes(folder / _STAGING)
            _move_out(folder)
        if entry := next(folder.iterdir(), None):
            raise UserError(
                f"--out={folder} is not empty, it holds {entry.name}. Name a new folder; nothing"
                " was written."
            )
    return folder


@contextlib.contextmanager
def filled_when_complete(folder: Path) -> Iterator[Path]:
    """Yields an empty folder whose files are moved into `folder` when the block has ended.

    After an error, or Ctrl-C, nothing is left of them, so the command can be given again; after a
    kill too, see `check_new_folder`. They wait inside of `folder`: it may be a link or a disk of
    its own, and the folder around it closed.

    Args:
      folder: as `check_new_folder` returns it. It is made where it does not exist.

    Raises:
      UserError: the folder cannot be written.
    """
    is_new = not folder.exists()
    try:
        with _as_user_error(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with temporary_beside(folder / _STAGING) as staging:
            with _as_user_error(folder):
                staging.mkdir()
            yield staging
            with _as_user_error(folder):
                # From this one step on the result counts as complete.
                staging.rename(folder / _COMPLETE)
                _move_out(folder)
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _move_out(folder: Path) -> None:
    """Moves complete files to their places, where there are any."""
    complete = folder / _COMPLETE
    if complete.is_dir():
        # Pages and JSON come after the pictures: who sees a page sees it whole.
        for path in sorted(complete.iterdir(), key=lambda path: path.suffix != ".png"):
            # Another command that looks at the folder meanwhile moves them too.
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, folder / path.name)
        shutil.rmtree(complete, ignore_errors=True)


@contextlib.contextmanager
def _as_user_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"--out={folder} cannot be written ({error.strerror or error}). Name another folder."
        ) from None
