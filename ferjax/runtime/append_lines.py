"""Files that grow by whole lines: what a process that died while writing leaves is dropped."""

import os
from pathlib import Path

_CHUNK = 1 << 16


def drop_torn_line(path: Path) -> None:
    """Cuts a file back to its last line end, if it does not end in one; a missing file is left.

    Call it where no other process appends: under the lock, or by the only writer.

    Raises:
      OSError: the file cannot be written.
    """
    if not path.is_file():
        return
    with open(path, "r+b") as file:
        end = size = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _CHUNK)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            file.truncate(end)
