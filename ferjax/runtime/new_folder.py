"""The folder of a result: new or empty, because no file of the user is overwritten."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.atomic_files import remove_left_by_killed_processes, temporary_beside

# Name of the temporary folder in the new folder, and its name after all files in it are complete.
_STAGING, _COMPLETE = "unfinished", ".complete"


def check_new_folder(folder: Path) -> Path:
    """Returns the folder; raises `UserError` if it is not empty, or is a file.

    If a command was killed while it moved its finished files into the folder, the other files are
    moved first. Then the result is complete, and it is not overwritten either.
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

    After an error or Ctrl-C the files are removed, so the command can be given again. After a kill
    `check_new_folder` removes them. The temporary folder is inside `folder`, because `folder` may
    be a link or a separate disk, and its parent may not be writable.

    Args:
      folder: from `check_new_folder`; a missing folder is created.

    Raises:
      UserError: the folder cannot be written, or another command fills it. Of two commands that
        begin at the same moment each may find the other's temporary folder; then both end here.
    """
    is_new = not folder.exists()
    try:
        with _as_user_error(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with temporary_beside(folder / _STAGING) as staging:
            with _as_user_error(folder):
                staging.mkdir()
                # After the mkdir: of two commands at least the later one finds the other.
                _check_holds_only(staging)
            yield staging
            with _as_user_error(folder):
                _check_holds_only(staging)
                # After this one step the result counts as complete.
                staging.rename(folder / _COMPLETE)
                _move_out(folder)
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _check_holds_only(staging: Path) -> None:
    """Raises `UserError` if the temporary folder is not alone in the new folder."""
    folder = staging.parent
    if other := next((path.name for path in folder.iterdir() if path != staging), None):
        raise UserError(
            f"--out={folder} holds {other}, which came while this command ran. Name a new folder;"
            " nothing there was changed."
        )


def _move_out(folder: Path) -> None:
    """Moves complete files into the folder, if there are any."""
    complete = folder / _COMPLETE
    if complete.is_dir():
        # Pages and JSON come after the pictures, so that a page is never without its pictures.
        for path in sorted(complete.iterdir(), key=lambda path: path.suffix != ".png"):
            # Another command that checks the folder at the same time moves the files too.
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
