"""The folder of a result: new or empty, because nothing that a user made is overwritten."""

from pathlib import Path

from ferjax.errors import UserError


def check_new_folder(out: str) -> Path:
    """Returns the folder; raises `UserError` if it holds something, or is a file."""
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out={out} is a file. Name a new folder.")
    if folder.is_dir() and (entry := next(folder.iterdir(), None)):
        raise UserError(f"--out={out} is not empty, it holds {entry.name}. Name a new folder.")
    return folder
