"""Errors of a disk that is full or read-only, where no part of ferjax has named the file."""

import os

from ferjax.errors import refused_by_disk


def refused_write(error: BaseException) -> str:
    """Returns the message if a disk took no more, or may not be written; else an empty text."""
    if not isinstance(error, OSError) or not refused_by_disk(error):
        return ""
    place = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "a file"
    return (
        f"{place} cannot be written: {error.strerror}. Make room there, or give another place; then"
        " give the same command again."
    )
