"""Files that grow by whole lines: an unfinished line of a killed process is removed."""

import os
from pathlib import Path

_CHUNK = 1 << 16


def drop_torn_line(path: Path) -> None:
    """Removes an unfinished last line from a file; does nothing if the file is missing.

    Call it while no other process appends: under a lock, or in the only writer.

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
            line_end = file.read(end - start).rfind(b"\n")
            if line_end >= 0:
                end = start + line_end + 1
                break
            end = start
        if end < size:
            file.truncate(end)
