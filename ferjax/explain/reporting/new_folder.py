"""The folder of a result: new or empty, because nothing that a user made is overwritten."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.atomic_files import remove_left_by_killed_processes, temporary_beside

# The temporary folder in the new one is called after this.
_STAGING = "explain"


def check_new_folder(out: str) -> Path:
    """Returns the folder; raises `UserError` if it holds something, or is a file."""
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out={out} is a file. Name a new folder.")
    if folder.is_dir():
        remove_left_by_killed_processes(folder / _STAGING)
        if entry := next(folder.iterdir(), None):
            raise UserError(f"--out={out} is not empty, it holds {entry.name}. Name a new folder.")
    return folder


@contextlib.contextmanager
def filled_when_complete(folder: Path) -> Iterator[Path]:
    """Yields an empty folder whose files are moved into `folder` when the block has ended.

    After an error, or Ctrl-C, nothing is left of them, so the command can be given again. They wait
    inside of `folder`: it may be a link or a disk of its own, and the folder around it closed.

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
                # The page comes after its pictures.
                for path in sorted(staging.iterdir(), key=lambda path: path.suffix != ".png"):
                    os.replace(path, folder / path.name)
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def _as_user_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"--out={folder} cannot be written ({error.strerror or error}). Name another folder."
        ) from None
