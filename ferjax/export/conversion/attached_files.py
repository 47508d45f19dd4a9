"""A zip archive of small files at the end of a file of another format."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

# The first time that a zip archive can state: equal contents give equal bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


def attach(path: Path, files: Mapping[str, str]) -> None:
    """Appends a zip archive to a file; a reader of flatbuffers does not reach it.

    It is the form in which TFLite's metadata hold labels.txt. Programs that open zip archives, such
    as `unzip`, find it from the end of the file.

    Args:
      path: the file, which is not a zip archive yet.
      files: name → text of each file in the archive.
    """
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), text.encode("utf-8"))
